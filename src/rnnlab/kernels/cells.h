// One step of each kind of cell, forward and backward, on a row of numbers.
//
// A cell computes weighted sums of the state and the input, of H numbers each; its weights are
// blocks of H rows. `of_input[p]` and `of_state[p]` are the sums that the p-th block of the input's
// and the state's weights belongs to. `step` computes the new state, and replaces the sums by the
// activations that `back` needs. `back` computes the gradients of the sums, and replaces the
// gradient of the new state in `of_hidden` and `of_memory` by the part that reaches the old state
// directly. The gradients may stand in the place of the activations.

#pragma once

#include <tuple>

#include "vectors.h"

// h' = f(a)
template <Activation f> struct Elman {
    static constexpr const char* name = f == TANH      ? "elman_tanh"
                                        : f == SIGMOID ? "elman_sigmoid"
                                                       : "elman_relu";
    static constexpr int sums = 1, of_input[] = {0}, of_state[] = {0};
    static constexpr bool remembers = false;

    static void step(Size size, float* sums, const float*, float* hidden, const float*, float*) {
        for (Size j = 0; j < size; j += WIDTH) store(hidden + j, activate<f>(load(sums + j)));
    }
    static void back(Size size, const float*, float* of_sums, const float*, const float* hidden,
                     const float*, const float*, float* of_hidden, float*) {
        for (Size j = 0; j < size; j += WIDTH) {
            store(of_sums + j, load(of_hidden + j) * slope<f>(load(hidden + j)));
            store(of_hidden + j, Vec{});
        }
    }
};

// r, z = sigmoid(a_r), sigmoid(a_z);  n = tanh(a_n + r a_u);  h' = n + z (h - n)
//
// The candidate has two sums, a_n of the input and a_u of the state.
struct Gru {
    static constexpr const char* name = "gru";
    static constexpr int sums = 4, of_input[] = {0, 1, 2}, of_state[] = {0, 1, 3};
    static constexpr bool remembers = false;

    static void step(Size size, float* sums, const float* before, float* hidden, const float*,
                     float*) {
        float *resets = sums, *updates = resets + size, *candidates = updates + size,
              *inners = candidates + size;
        for (Size j = 0; j < size; j += WIDTH) {
            const Vec r = sigmoid(load(resets + j)), z = sigmoid(load(updates + j));
            const Vec n = hyperbolic(load(candidates + j) + r * load(inners + j));
            store(resets + j, r);
            store(updates + j, z);
            store(candidates + j, n);
            store(hidden + j, n + z * (load(before + j) - n));
        }
    }
    static void back(Size size, const float* acts, float* of_sums, const float* before,
                     const float*, const float*, const float*, float* of_hidden, float*) {
        for (Size j = 0; j < size; j += WIDTH) {
            const float* a = acts + j;
            float* to = of_sums + j;
            const Vec r = load(a), z = load(a + size), n = load(a + 2 * size),
                      u = load(a + 3 * size), grad = load(of_hidden + j);
            const Vec kept = grad * z, of_candidate = (grad - kept) * slope<TANH>(n);
            store(to, of_candidate * u * slope<SIGMOID>(r));
            store(to + size, grad * (load(before + j) - n) * slope<SIGMOID>(z));
            store(to + 2 * size, of_candidate);
            store(to + 3 * size, of_candidate * r);
            store(of_hidden + j, kept);
        }
    }
};

// i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o);  g = tanh(a_g);  c' = f c + i g;
// h' = o tanh(c')
struct Lstm {
    static constexpr const char* name = "lstm";
    static constexpr int sums = 4, of_input[] = {0, 1, 2, 3}, of_state[] = {0, 1, 2, 3};
    static constexpr bool remembers = true;

    static void step(Size size, float* sums, const float*, float* hidden, const float* memory,
                     float* after) {
        for (Size j = 0; j < size; j += WIDTH) {
            float* a = sums + j;
            const Vec i = sigmoid(load(a)), f = sigmoid(load(a + size)),
                      g = hyperbolic(load(a + 2 * size)), o = sigmoid(load(a + 3 * size));
            const Vec c = f * load(memory + j) + i * g;
            store(a, i);
            store(a + size, f);
            store(a + 2 * size, g);
            store(a + 3 * size, o);
            store(after + j, c);
            store(hidden + j, o * hyperbolic(c));
        }
    }
    static void back(Size size, const float* acts, float* of_sums, const float*, const float*,
                     const float* memory, const float* after, float* of_hidden,
                     float* of_memory) {
        for (Size j = 0; j < size; j += WIDTH) {
            const float* a = acts + j;
            float* to = of_sums + j;
            const Vec i = load(a), f = load(a + size), g = load(a + 2 * size),
                      o = load(a + 3 * size), grad = load(of_hidden + j);
            const Vec squashed = hyperbolic(load(after + j));
            const Vec of_c = load(of_memory + j) + grad * o * slope<TANH>(squashed);
            store(to, of_c * g * slope<SIGMOID>(i));
            store(to + size, of_c * load(memory + j) * slope<SIGMOID>(f));
            store(to + 2 * size, of_c * i * slope<TANH>(g));
            store(to + 3 * size, grad * squashed * slope<SIGMOID>(o));
            store(of_memory + j, of_c * f);
            store(of_hidden + j, Vec{});
        }
    }
};

// The cells of this library: ours, or those of a header of somebody's own, which defines the same.
#ifdef RNNLAB_CELLS
#include RNNLAB_CELLS
#else
using Cells = std::tuple<Elman<TANH>, Elman<SIGMOID>, Elman<RELU>, Gru, Lstm>;
#endif
