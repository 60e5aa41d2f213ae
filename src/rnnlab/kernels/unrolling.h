#pragma once

#include "matrices.h"
#include "memory.h"

// The states, their gradients, or the loss with its gradients; as in request.py.
enum Operation : int { FORWARD, BACKWARD, LEARN };

// A kernel's arguments: `_Unrolling` in request.py, with the same fields in the same order.
// `of_x` is the gradient of x. Each tensor has the members as its first dimension, then these:
struct Unrolling {
    Size batch, length, inputs, size, outputs, wanted;
    Size first, rows;  // the sequences of a batch that this call computes
    Size horizon;      // steps that gradients flow back from each output; 0 for all
    Size ages_above, ages_below;  // of the gradients `of_states` and `of_inputs`: 1, or horizon
    Size taps;                    // of delay taps, of `inputs` numbers each
    Size squashed, taught;        // of a Jordan network
    double decay;
    const Size* steps;                      // (wanted): the steps with an output, without members
    const float *input_weight, *state_weight, *bias, *readout_weight, *readout_bias;
    const float *hidden, *memory;           // (batch, size): the initial state
    const float* numbers;                   // (batch, length, inputs), or
    const int64_t* ids;                     // (batch, length): one-hot inputs by index
    const bool* mask;                       // (batch, length), or null
    float* tape;                            // where FORWARD leaves what BACKWARD needs, or null
    float* states;                          // (batch, wanted, size)
    float *last_hidden, *last_memory;       // (batch, size)
    const float* of_states;                 // (ages_above, batch, wanted, size), or null
    const float *of_last_hidden, *of_last_memory;              // or null
    float *of_input_weight, *of_state_weight, *of_bias;        // added to
    float *of_readout_weight, *of_readout_bias;
    float *of_hidden, *of_memory;                              // null if not needed
    float* of_inputs;                       // (ages_below, batch, length, inputs), or null

    // Call `work(s, count)` with each run of consecutive wanted steps.
    template <class Work> void each_wanted_run(Work work) const {
        for (Size s = 0, next; s < wanted; s = next) {
            for (next = s + 1; next < wanted && steps[next] == steps[next - 1] + 1;) ++next;
            work(s, next - s);
        }
    }

    bool real(Size member, Size row, Size t) const {
        return !mask || mask[(member * batch + row) * length + t];
    }
    // Whether step t is the last real one of a row.
    bool last(Size member, Size row, Size t) const {
        return real(member, row, t) && (t + 1 == length || !real(member, row, t + 1));
    }
};

// The weights (blocks size, columns) of consecutive blocks, which belong to consecutive sums.
struct Run {
    Size block, sum, count;
};

// Call `work` with each run of blocks whose sums are consecutive.
template <Size blocks, class Work> void each_run(const int (&sum_of)[blocks], Work work) {
    for (Size p = 0, next; p < blocks; p = next) {
        for (next = p + 1; next < blocks && sum_of[next] == sum_of[next - 1] + 1;) ++next;
        work(Run{p, sum_of[p], next - p});
    }
}

// Copy rows of `size` numbers to rows of whole vectors, and back.
inline void copy_padded(Rows from, Size rows, Size size, OutRows to) {
    for (Size r = 0; r < rows; ++r) {
        std::memcpy(to.row(r), from.row(r), size * sizeof(float));
        std::fill(to.row(r) + size, to.row(r) + whole_vectors(size), 0.0f);
    }
}
inline void copy(Rows from, Size rows, Size size, OutRows to) {
    for (Size r = 0; r < rows; ++r) std::memcpy(to.row(r), from.row(r), size * sizeof(float));
}
