#pragma once

#include "panels.h"

// The states, their gradients, or the loss with its gradients; as in ensemble/fused.py.
enum Operation : int { FORWARD, BACKWARD, LEARN };

// A kernel's arguments: `_Unrolling` in ensemble/fused.py, with the same fields in the same order.
// `of_x` is the gradient of x. Each tensor has the members as its first dimension, then these:
struct Unrolling {
    Size batch, length, inputs, fed, size, wanted, taught;
    double decay;
    const Size* steps;           // (wanted): the steps with an output, without members
    const float* weight;         // (sums, size, fed + inputs)
    const float* bias;           // (sums, size)
    const float *hidden, *cell;  // (batch, fed): the initial state
    const float* numbers;        // (batch, length, inputs), or
    const int64_t* ids;          // (batch, length): one-hot inputs by index
    float* states;               // (batch, wanted, size)
    float* memory;               // (batch, size)
    const float *of_states, *of_memory;
    float *of_weight, *of_bias;              // added to
    float *of_hidden, *of_cell, *of_inputs;  // null if not needed

    // Read a strip's inputs at step t, and write their gradients.
    template <int V> void read(Strip<V> strip, Size member, Size t, float* to) const {
        const Size from = member * batch * length + t;
        if (ids) strip.read(ids + from, length, inputs, to);
        else strip.read(numbers + from * inputs, length * inputs, inputs, to);
    }
    template <int V> void write(Strip<V> strip, Size member, Size t, const float* grads) const {
        const Size from = member * batch * length + t;
        strip.write(grads, inputs, of_inputs + from * inputs, length * inputs);
    }

    // Call `work(s, count)` for each run of consecutive wanted steps.
    template <class Work> void in_runs(Work work) const {
        for (Size s = 0, next; s < wanted; s = next) {
            for (next = s + 1; next < wanted && steps[next] == steps[next - 1] + 1;) ++next;
            work(s, next - s);
        }
    }
};
