// A linear readout of token logits and its cross-entropy loss, with the gradient of the logits.
//
//     y = V h + d;  p = softmax(y);  loss = mean of -log p[target] where the mask is true

#pragma once

#include "unrolling.h"

// The readout's arguments: `_Answer` in request.py, with the same fields in the same order.
// `of_x` is the gradient of x. Each tensor has the members as its first dimension, then these:
struct Answer {
    Size classes;
    const float* weight;    // (classes, features)
    const float* bias;      // (classes)
    const int64_t* target;  // (batch, wanted)
    const bool* mask;       // (batch, wanted)
    float* loss;            // (): added to
    float *of_weight, *of_bias;
};

// The readout and loss of one member.
class Answering {
  public:
    static Size room(Size classes, Size features) {
        const Size O = whole_vectors(classes), H = whole_vectors(features);
        return features * O + classes * H + 2 * O + O * WIDTH + whole_rows(classes) * H
               + Outer::room(classes);
    }

    Answering(const Answer& answer, Size member, Size batch, Size wanted, Size features,
              Room& room)
        : answer(answer), member(member), wanted(wanted), features(features),
          O(answer.classes), padded(whole_vectors(O)), H(whole_vectors(features)),
          target(answer.target + member * batch * wanted),
          mask(answer.mask + member * batch * wanted), speak(room.take(features * padded)),
          back(room.take(O * H)), bias(room.take(padded)), of_bias(room.take(padded)),
          of_weight(room.take(whole_rows(O) * H)), panel(room.take(padded * WIDTH)), outer(room.take(Outer::room(O))) {
        Size counted = 0;
        for (Size i = 0; i < batch * wanted; ++i) counted += mask[i];
        share = 1.0f / counted;
        answered = counted;
        const float* weight = answer.weight + member * O * features;
        pack(features, padded, 1, [&](Size i) { return i < O ? weight + i * features : nullptr; },
             speak);
        pack(O, H, features, [&](Size j) { return j < features ? weight + j : nullptr; }, back);
        for (Size i = 0; i < padded; ++i)
            bias[i] = i < O ? answer.bias[member * O + i] : 0;
        std::fill(of_bias, of_bias + padded, 0.0f);
        std::fill(of_weight, of_weight + whole_rows(O) * H, 0.0f);
    }

    // The logits of some rows of features.
    void read(Rows hidden, Size rows, OutRows logits) const {
        multiply(hidden, rows, features, speak, padded, {bias, 0}, logits);
    }
    // Add the gradient of the features that some logits' gradients give.
    void read_back(Rows logits, Size rows, OutRows of_hidden) const {
        multiply(logits, rows, O, back, H, of_hidden, of_hidden);
    }

    // The target id of the s-th wanted step of a sequence, -1 where the mask is false.
    int64_t right(Size row, Size s) const {
        const Size at = row * wanted + s;
        return mask[at] ? target[at] : -1;
    }

    // Replace the logits of the s-th wanted step of some sequences by their gradients, add their
    // loss, and write their softmax to p unless p is null.
    //
    // A vector has a class of several sequences.
    void judge(Size first, Size rows, Size s, OutRows logits, OutRows p) {
        for (Size b = 0; b < rows; b += WIDTH)
            judge_few(first + b, std::min<Size>(WIDTH, rows - b), s, logits.from(b, 0),
                      p.at ? p.from(b, 0) : p);
    }

    // Write the softmax of rows of logits to p; the logits are overwritten.
    void squash(Size rows, OutRows logits, OutRows p) const {
        for (Size b = 0; b < rows; b += WIDTH) {
            const Size few = std::min<Size>(WIDTH, rows - b);
            turn(logits.from(b, 0), few, panel);
            const Vec total = exponentials();
            for (Size i = 0; i < O; ++i)
                store(panel + i * WIDTH, load(panel + i * WIDTH) / total);
            turn_back(panel, few, p.from(b, 0));
        }
    }

    // Add the gradient of V from the logits' gradients and the features of some steps.
    void learn(Grid logits, Grid hidden, Size steps, Size batch) {
        outer.add(logits, O, hidden, H, steps, batch, {of_weight, H});
    }

    void set_bias(const float* gradient) { std::copy(gradient, gradient + padded, of_bias); }

    // Add the loss and the readout's gradients to the member's; the loss is NaN if no step is
    // answered.
    void finish() {
        answer.loss[member] += answered ? sum(losses) : __builtin_nanf("");
        for (Size i = 0; i < O; ++i) {
            answer.of_bias[member * O + i] += of_bias[i];
            for (Size j = 0; j < features; ++j)
                answer.of_weight[(member * O + i) * features + j] += of_weight[i * H + j];
        }
    }

  private:
    const Answer& answer;
    const Size member, wanted, features, O, padded, H;
    const int64_t* target;
    const bool* mask;
    float *speak, *back, *bias, *of_bias, *of_weight, *panel;
    Outer outer;
    Size answered;
    float share;  // 1 / number of answered steps
    Vec losses{};

    void judge_few(Size first, Size rows, Size s, OutRows logits, OutRows p) {
        int64_t ids[WIDTH];
        float shares[WIDTH] = {}, of_target[WIDTH] = {};
        bool any = p.at;
        for (Size b = 0; b < rows; ++b) {
            ids[b] = right(first + b, s);
            if (ids[b] < 0) continue;
            shares[b] = share;
            of_target[b] = logits.row(b)[ids[b]];
            any = true;
        }
        if (!any) {
            for (Size b = 0; b < rows; ++b) std::fill(logits.row(b), logits.row(b) + padded, 0.0f);
            return;
        }
        turn(logits, rows, panel);
        Vec most;
        const Vec total = exponentials(&most);
        const Vec weight = load_any(shares);
        const Vec loss = (logarithm(total) + most - load_any(of_target)) * weight;
        losses += weight > 0.0f ? loss : Vec{};  // else it may be NaN
        if (p.at) {
            for (Size i = 0; i < O; ++i)
                store(panel + i * WIDTH, load(panel + i * WIDTH) / total);
            turn_back(panel, rows, p);
        }
        const Vec scale = p.at ? weight : weight / total;
        for (Size i = 0; i < O; ++i) {
            const Vec grad = load(panel + i * WIDTH) * scale;
            store(panel + i * WIDTH, weight > 0.0f ? grad : Vec{});
        }
        turn_back(panel, rows, logits);
        for (Size b = 0; b < rows; ++b) {
            if (ids[b] >= 0) logits.row(b)[ids[b]] -= share;
            add(of_bias, logits.row(b), padded);
        }
    }

    // Replace the panel's logits by exp(y - max), and return their sum.
    Vec exponentials(Vec* maximum = nullptr) const {
        Vec most = load(panel), total{};
        for (Size i = 1; i < O; ++i) {
            const Vec other = load(panel + i * WIDTH);
            most = other > most ? other : most;
        }
        for (Size i = 0; i < O; ++i) {
            const Vec e = exponential(load(panel + i * WIDTH) - most);
            total += e;
            store(panel + i * WIDTH, e);
        }
        if (maximum) *maximum = most;
        return total;
    }

    // Transpose rows of logits to a panel with a row for each class, and back.
    void turn(Rows rows, Size count, float* to) const {
        Vec square[WIDTH];
        for (Size i = 0; i < padded; i += WIDTH) {
            for (Size b = 0; b < WIDTH; ++b) square[b] = load(rows.row(b < count ? b : 0) + i);
            transpose_square(square);
            for (Size k = 0; k < WIDTH; ++k) store(to + (i + k) * WIDTH, square[k]);
        }
    }
    void turn_back(const float* from, Size count, OutRows rows) const {
        Vec square[WIDTH];
        for (Size i = 0; i < padded; i += WIDTH) {
            for (Size k = 0; k < WIDTH; ++k)
                square[k] = i + k < O ? load(from + (i + k) * WIDTH) : Vec{};
            transpose_square(square);
            for (Size b = 0; b < count; ++b) store(rows.row(b) + i, square[b]);
        }
    }
};
