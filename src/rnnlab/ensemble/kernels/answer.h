// A linear readout of tokens and its cross-entropy, of which the gradient is known at once.
//
//     y = V h + d;  p = softmax(y);  loss = mean of -log p[target] over what the mask names

#pragma once

#include "panels.h"

// As the fields of the same names in Python; members first, then what is said here.
struct Answer {
    Size classes;
    const float* weight;    // (classes, features)
    const float* bias;      // (classes)
    const int64_t* target;  // (batch, wanted)
    const bool* mask;       // (batch, wanted)
    float* loss;            // ()
    float *of_weight, *of_bias;
};

// The answers of one strip of one member's batch.
template <int V> class Answering {
    static constexpr Size lanes = Strip<V>::lanes;

  public:
    Answering(const Answer& answer, Size member, Strip<V> strip, Size batch, Size wanted,
              Size features)
        : weight(answer.weight + member * answer.classes * features),
          bias(answer.bias + member * answer.classes), answer(answer), member(member), strip(strip),
          classes(answer.classes), wanted(wanted), features(features),
          target(answer.target + member * batch * wanted),
          mask(answer.mask + member * batch * wanted) {
        for (Size i = 0; i < batch * wanted; ++i) counted += mask[i];
        share = 1.0f / counted;
    }

    const float *weight, *bias;

    void read(const float* hidden, float* y) const {
        product<V>(weight, features, hidden, features, bias, y, classes);
    }

    // Turn y of the s-th wanted step into its gradient, and add the loss; `p` may be null.
    void judge(Size s, float* y, float* p) {
        for (int v = 0; v < V; ++v) {
            const Bits id = right(s, v);
            const Bits counts = id >= 0;
            const Vec weight = (Vec)(counts & (Bits)all(share));
            Vec told{};
            const Vec total = probabilities(y + v * WIDTH, p ? p + v * WIDTH : nullptr, id, told);
            const Vec loss = (logarithm(total) - told) * weight;
            losses += counts ? loss : Vec{};
            const Vec scale = weight / total;
            for (Size i = 0; i < classes; ++i) {
                float* at = y + i * lanes + v * WIDTH;
                const Vec right = (Vec)((id == static_cast<int32_t>(i)) & (Bits)weight);
                store(at, counts ? load(at) * scale - right : Vec{});
            }
        }
    }

    // Put a 1 at what was right at a step, and 0 elsewhere, where the mask names it.
    void teach(Size s, float* p) const {
        for (int v = 0; v < V; ++v) {
            const Bits id = right(s, v);
            for (Size i = 0; i < classes; ++i) {
                float* at = p + i * lanes + v * WIDTH;
                const Bits same = id == static_cast<int32_t>(i);
                store(at, id < 0 ? load(at) : (Vec)(same & (Bits)all(1.0f)));
            }
        }
    }
    // What that does to a gradient.
    void forget(Size s, float* grad) const {
        for (int v = 0; v < V; ++v) {
            const Bits id = right(s, v);
            for (float* at = grad + v * WIDTH; at < grad + classes * lanes; at += lanes)
                store(at, id < 0 ? load(at) : Vec{});
        }
    }

    // The probabilities alone.
    void squash(float* y, float* p) const {
        Vec told;
        for (int v = 0; v < V; ++v) probabilities(y + v * WIDTH, p + v * WIDTH, Bits{} - 1, told);
    }

    // Add the gradients of V and d, whose sums' gradients and features are given step by step.
    void learn(Panels grads, Panels hidden, Size steps) const {
        outer<V>(grads, hidden, steps, answer.of_weight + member * classes * features, features,
                 classes, features);
        total<V>(grads, steps, answer.of_bias + member * classes, classes);
    }

    // Without any answer there is no loss.
    void give() const { answer.loss[member] += counted ? sum(losses) : __builtin_nanf(""); }

  private:
    const Answer& answer;
    const Size member;
    const Strip<V> strip;
    const Size classes, wanted, features;
    const int64_t* target;
    const bool* mask;
    Size counted = 0;
    float share;  // of one answer in the mean
    Vec losses{};

    // What is right at a wanted step, -1 where the mask doesn't name it.
    Bits right(Size s, int v) const {
        Bits id{};
        for (int lane = 0; lane < WIDTH; ++lane) {
            const Size b = v * WIDTH + lane, at = (strip.first + b) * wanted + s;
            id[lane] = b < strip.count && mask[at] ? static_cast<int32_t>(target[at]) : -1;
        }
        return id;
    }

    // Turn a vector of y into exp(y - max), and give their total, what y - max is at the ids, and
    // in `p` the shares of the total.
    Vec probabilities(float* y, float* p, Bits id, Vec& told) const {
        Vec most = load(y), total{};
        for (Size i = 1; i < classes; ++i) {
            const Vec other = load(y + i * lanes);
            most = other > most ? other : most;
        }
        told = Vec{};
        for (Size i = 0; i < classes; ++i) {
            const Vec less = load(y + i * lanes) - most, e = exponential(less);
            told = id == static_cast<int32_t>(i) ? less : told;
            total += e;
            store(y + i * lanes, e);
        }
        if (p)
            for (Size i = 0; i < classes; ++i) store(p + i * lanes, load(y + i * lanes) / total);
        return total;
    }
};
