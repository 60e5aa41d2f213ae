// One hidden layer over delay taps at all time steps, forward and backward.
//
//     h_t = f(W (x_{t-K+1}, ..., x_t) + b)
//
// Successive inputs are adjacent in memory, so that the windows of K steps are rows that overlap,
// and need no copy. The initial state (`hidden`) is the K-1 inputs before, oldest first; the weights
// are newest first. `numbers` begin with the initial state, one-hot `ids` don't.

#include "small.h"

namespace {

template <Activation f> class Pass {
  public:
    Pass(const Unrolling& net, Size member, const Answer* judged, Operation operation)
        : net(net), judged(judged), member(member), B(net.rows), T(net.length), I(net.inputs),
          K(net.taps), S(net.wanted), size(net.size), H(whole_vectors(size)), depth(K * I),
          long_row((K - 1 + T) * I), from(member * net.batch + net.first),
          room((net.tape ? 0 : S * B * H) + weights_room(operation)) {
        hidden = net.tape ? net.tape + net.first * tape_row(net) : room.take(S * B * H);
        weight = room.take(whole_vectors(size * depth));
        const float* given = net.input_weight + member * size * depth;
        for (Size j = 0; j < size; ++j)
            for (Size k = 0; k < K; ++k)
                std::memcpy(weight + j * depth + k * I, given + j * depth + (K - 1 - k) * I,
                            I * sizeof(float));
    }

    static Size tape_row(const Unrolling& net) { return net.wanted * whole_vectors(net.size); }

    void forward() {
        float* bias = room.take(H);
        copy_padded({net.bias + member * size, size}, 1, size, {bias, H});
        if (net.ids) {
            float* table = room.take(depth * H);
            for (Size j = 0; j < H; ++j)
                for (Size k = 0; k < depth; ++k)
                    table[k * H + j] = j < size ? weight[j * depth + k] : 0;
            for (Size s = 0; s < S; ++s)
                for (Size b = 0; b < B; ++b) {
                    float* h = hidden_row(s, b);
                    std::memcpy(h, bias, H * sizeof(float));
                    each_input(s, b, [&](Size k, float value) {
                        const Vec x = all(value);
                        for (Size j = 0; j < H; j += WIDTH)
                            store(h + j, load(h + j) + x * load(table + k * H + j));
                    });
                }
        } else {
            float* read = room.take(depth * H);
            pack(depth, H, 1, [&](Size c) { return c < size ? weight + c * depth : nullptr; },
                 read);
            net.each_wanted_run([&](Size s, Size count) {
                for (Size b = 0; b < B; ++b)
                    multiply(windows(s, b), count, depth, read, H, {bias, 0},
                             {hidden_row(s, b), B * H});
            });
        }
        activate<f>(hidden, S * B * H);
        for (Size s = 0; net.states && s < S; ++s)
            copy({hidden_row(s, 0), H}, B, size,
                 {net.states + (from * S + s) * size, S * size});
    }

    void backward() {
        float* of_sums = room.take(S * B * H);
        for (Size s = 0; s < S; ++s)
            copy_padded({net.of_states + (from * S + s) * size, S * size}, B, size,
                        {of_sums + s * B * H, H});
        back_from(of_sums);
    }

    void learn() {
        const Size P = whole_vectors(judged->classes);
        Answering answering(*judged, member, net.batch, S, size, room);
        float *logits = room.take(S * B * P), *of_sums = room.take(S * B * H);
        std::fill(of_sums, of_sums + S * B * H, 0.0f);
        for (Size s = 0; s < S; ++s) {
            const OutRows y{logits + s * B * P, P};
            answering.read({hidden_row(s, 0), H}, B, y);
            answering.judge(net.first, B, s, y, {nullptr, 0});
            answering.read_back(y, B, {of_sums + s * B * H, H});
        }
        answering.learn({logits, B * P, P}, {hidden, B * H, H}, S, B);
        answering.finish();
        back_from(of_sums);
    }

  private:
    const Unrolling& net;
    const Answer* judged;
    const Size member, B, T, I, K, S, size, H, depth, long_row, from;
    Room room;
    float *hidden, *weight;  // (S, B, H); (size, depth), oldest first

    float* hidden_row(Size s, Size b) const { return hidden + (s * B + b) * H; }
    Rows windows(Size s, Size b) const {
        return {net.numbers + (from + b) * long_row + net.steps[s] * I, I};
    }

    Size weights_room(Operation operation) const {
        const Size forward = whole_vectors(size * depth) + H + depth * H;
        if (operation == FORWARD) return forward;
        const Size answering =
            judged ? Answering::room(judged->classes, size) + S * B * whole_vectors(judged->classes)
                   : 0;
        return forward + answering + S * B * H + H + whole_rows(depth) * H
            + (net.ids ? 0 : Outer::room(depth)) + size * whole_vectors(depth)
            + S * whole_vectors(depth) + whole_vectors(long_row);
    }

    // Call `work(k, value)` with the numbers of a window of one-hot inputs that are not 0.
    template <class Work> void each_input(Size s, Size b, Work work) const {
        for (Size k = 0; k < K; ++k) {
            const Size t = net.steps[s] - (K - 1) + k;
            if (t >= 0) work(k * I + net.ids[(from + b) * T + t], 1.0f);
            else
                for (Size i = 0; i < I; ++i) {
                    const float value = before(b, t)[i];
                    if (value != 0) work(k * I + i, value);
                }
        }
    }
    const float* before(Size b, Size t) const {
        return net.hidden + ((from + b) * (K - 1) + t + K - 1) * I;
    }

    // Both gradients from that of the hidden layer, which becomes that of its sums.
    void back_from(float* of_sums) {
        float* of_bias = room.take(H);
        std::fill(of_bias, of_bias + H, 0.0f);
        back_to_sums<f>(of_sums, hidden, S * B * H);
        sum_rows({of_sums, B * H, H}, H, S, B, of_bias);
        for (Size j = 0; j < size; ++j) net.of_bias[member * size + j] += of_bias[j];

        float* of_weight = room.take(whole_rows(depth) * H);
        std::fill(of_weight, of_weight + whole_rows(depth) * H, 0.0f);
        if (net.ids)
            for (Size s = 0; s < S; ++s)
                for (Size b = 0; b < B; ++b)
                    each_input(s, b, [&](Size k, float value) {
                        const Vec x = all(value);
                        const float* grad = of_sums + (s * B + b) * H;
                        for (Size j = 0; j < H; j += WIDTH)
                            store(of_weight + k * H + j,
                                  load(of_weight + k * H + j) + x * load(grad + j));
                    });
        else {
            Outer outer(room.take(Outer::room(depth)));
            net.each_wanted_run([&](Size s, Size count) {
                outer.add({windows(s, 0).at, long_row, I}, depth, {of_sums + s * B * H, H, B * H},
                          H, B, count, {of_weight, H});
            });
        }
        float* to = net.of_input_weight + member * size * depth;
        for (Size j = 0; j < size; ++j)
            for (Size k = 0; k < depth; ++k)
                to[j * depth + (K - 1 - k / I) * I + k % I] += of_weight[k * H + j];
        if (net.of_inputs || net.of_hidden) input_gradients(of_sums);
    }

    // The gradients of the inputs and of those before.
    void input_gradients(const float* of_sums) {
        const Size width = whole_vectors(depth), before = (K - 1) * I;
        float *read = room.take(size * width), *of_windows = room.take(S * width),
              *of_row = room.take(whole_vectors(long_row));
        pack(size, width, depth, [&](Size c) { return c < depth ? weight + c : nullptr; }, read);
        for (Size b = 0; b < B; ++b) {
            std::fill(of_windows, of_windows + S * width, 0.0f);
            std::fill(of_row, of_row + long_row, 0.0f);
            multiply({of_sums + b * H, B * H}, S, size, read, width, {of_windows, width},
                     {of_windows, width});
            for (Size s = 0; s < S; ++s)
                for (Size k = 0; k < depth; ++k)
                    of_row[net.steps[s] * I + k] += of_windows[s * width + k];
            if (net.of_hidden) std::memcpy(net.of_hidden + (from + b) * before, of_row,
                                           before * sizeof(float));
            if (net.of_inputs) std::memcpy(net.of_inputs + (from + b) * T * I, of_row + before,
                                           T * I * sizeof(float));
        }
    }
};

template <Activation f>
void run(Operation operation, const Unrolling& net, const Answer* answer, Size member) {
    Pass<f> pass(net, member, answer, operation);
    if (operation != BACKWARD || !net.tape) pass.forward();
    if (operation == BACKWARD) pass.backward();
    if (operation == LEARN) pass.learn();
}

}  // namespace

extern "C" Size rnnlab_taps_tape(int, const Unrolling* net) { return Pass<TANH>::tape_row(*net); }

extern "C" bool rnnlab_taps(int activation, int operation, const Unrolling* net,
                            const Answer* answer, Size first, Size last) {
    return in_memory([&] {
        for (Size member = first; member < last; ++member)
            if (operation == LEARN && learns_in_strips(*net, WIDTH))
                learn_taps_in_strips(activation, *net, *answer, member);
            else
                with_activation(activation, [&](auto f) {
                    run<f>(static_cast<Operation>(operation), *net, answer, member);
                });
    });
}
