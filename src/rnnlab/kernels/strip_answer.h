// The readout and loss of answer.h for a strip of a batch.

#pragma once

#include "strips.h"

// The readout and loss of one strip of one member's batch.
template <int V> class StripAnswering {
    static constexpr Size lanes = Strip<V>::lanes;

  public:
    StripAnswering(const Answer& answer, Size member, Strip<V> strip, Size batch, Size wanted,
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

    // Replace the logits y of the s-th wanted step by their gradient, add their loss, and write
    // their softmax to p unless p is null.
    void judge(Size s, float* y, float* p) {
        for (int v = 0; v < V; ++v) {
            const Bits id = right(s, v);
            const Bits counts = id >= 0;
            const Vec weight = (Vec)(counts & (Bits)all(share));
            Vec of_target{};
            const Vec total =
                probabilities(y + v * WIDTH, p ? p + v * WIDTH : nullptr, id, of_target);
            const Vec loss = (logarithm(total) - of_target) * weight;
            losses += counts ? loss : Vec{};
            const Vec scale = weight / total;
            for (Size i = 0; i < classes; ++i) {
                float* at = y + i * lanes + v * WIDTH;
                const Vec right = (Vec)((id == static_cast<int32_t>(i)) & (Bits)weight);
                store(at, counts ? load(at) * scale - right : Vec{});
            }
        }
    }

    // Teacher forcing: replace p by the one-hot target of a step where the mask is true.
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
    // The backward pass of `teach`: no gradient flows to a replaced p.
    void forget(Size s, float* grad) const {
        for (int v = 0; v < V; ++v) {
            const Bits id = right(s, v);
            for (float* at = grad + v * WIDTH; at < grad + classes * lanes; at += lanes)
                store(at, id < 0 ? load(at) : Vec{});
        }
    }

    // Write the softmax of the logits y to p; y is overwritten.
    void squash(float* y, float* p) const {
        Vec unused;
        for (int v = 0; v < V; ++v) probabilities(y + v * WIDTH, p + v * WIDTH, Bits{} - 1, unused);
    }

    // Add the gradients of V and d from the logits' gradients and the features of some steps.
    void learn(Panels grads, Panels hidden, Size steps) const {
        outer<V>(grads, hidden, steps, answer.of_weight + member * classes * features, features,
                 classes, features);
        total<V>(grads, steps, answer.of_bias + member * classes, classes);
    }

    // Add the loss to the member's; it is NaN if no step is answered.
    void add_loss() const { answer.loss[member] += counted ? sum(losses) : __builtin_nanf(""); }

  private:
    const Answer& answer;
    const Size member;
    const Strip<V> strip;
    const Size classes, wanted, features;
    const int64_t* target;
    const bool* mask;
    Size counted = 0;
    float share;  // 1 / number of answered steps
    Vec losses{};

    // The target ids of a wanted step, -1 where the mask is false.
    Bits right(Size s, int v) const {
        Bits id{};
        for (int lane = 0; lane < WIDTH; ++lane) {
            const Size b = v * WIDTH + lane, at = (strip.first + b) * wanted + s;
            id[lane] = b < strip.count && mask[at] ? static_cast<int32_t>(target[at]) : -1;
        }
        return id;
    }

    // Replace the logits y by exp(y - max) and return their sum; write y - max at the ids to
    // `of_target`, and the softmax to p unless p is null.
    Vec probabilities(float* y, float* p, Bits id, Vec& of_target) const {
        Vec most = load(y), total{};
        for (Size i = 1; i < classes; ++i) {
            const Vec other = load(y + i * lanes);
            most = other > most ? other : most;
        }
        of_target = Vec{};
        for (Size i = 0; i < classes; ++i) {
            const Vec less = load(y + i * lanes) - most, e = exponential(less);
            of_target = id == static_cast<int32_t>(i) ? less : of_target;
            total += e;
            store(y + i * lanes, e);
        }
        if (p)
            for (Size i = 0; i < classes; ++i) store(p + i * lanes, load(y + i * lanes) / total);
        return total;
    }
};
