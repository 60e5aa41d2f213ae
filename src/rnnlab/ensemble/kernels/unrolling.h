#pragma once

#include "panels.h"

enum Task : int { FORWARD, BACKWARD, LEARN };  // as in ensemble/fused.py

// What a kernel is given: `Unrolling` in ensemble/fused.py. Each tensor has the members first, then
// what is said here.
struct Unrolling {
    Size batch, length, inputs, fed, size, wanted, taught;
    double decay;
    const Size* steps;           // (wanted), for all members: those that are answered, in order
    const float* weight;         // (sums, size, fed + inputs)
    const float* bias;           // (sums, size)
    const float *hidden, *cell;  // (batch, fed): the first state
    const float* numbers;        // (batch, length, inputs), or
    const int64_t* ids;          // (batch, length): where the one input is that is 1
    float* states;               // (batch, wanted, size)
    float* memory;               // (batch, size)
    const float *of_states, *of_memory;
    float *of_weight, *of_bias;              // zero to begin with
    float *of_hidden, *of_cell, *of_inputs;  // null where nobody asks

    // Step t of a strip of a member's inputs.
    template <int V> void read(Strip<V> strip, Size member, Size t, float* to) const {
        const Size from = member * batch * length + t;
        if (ids) strip.read(ids + from, length, inputs, to);
        else strip.read(numbers + from * inputs, length * inputs, inputs, to);
    }
    template <int V> void write(Strip<V> strip, Size member, Size t, const float* grads) const {
        const Size from = member * batch * length + t;
        strip.write(grads, inputs, of_inputs + from * inputs, length * inputs);
    }

    // Call `work(s, count)` for each run of answered steps without a gap.
    template <class Work> void in_runs(Work work) const {
        for (Size s = 0, next; s < wanted; s = next) {
            for (next = s + 1; next < wanted && steps[next] == steps[next - 1] + 1;) ++next;
            work(s, next - s);
        }
    }
};
