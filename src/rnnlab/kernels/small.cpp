// LEARN for small networks in strips of a batch: cells, Jordan networks, a layer over delay taps.
//
// The equations are those of scan.cpp, jordan.cpp and taps.cpp, and stand with them where they are of
// single numbers. Vectors hold several sequences in place of several units, which few units would
// leave half empty.

#include "small.h"

#include "cells.h"
#include "jordan.h"
#include "strip_answer.h"

namespace {

// The inputs of a strip at step t as a panel, and the gradients of inputs.
template <int V>
void read_inputs(const Unrolling& net, Strip<V> strip, Size member, Size t, float* to) {
    const Size from = member * net.batch * net.length + t;
    if (net.ids) strip.read(net.ids + from, net.length, net.inputs, to);
    else
        strip.read(net.numbers + from * net.inputs, net.length * net.inputs, net.inputs, to);
}
template <int V>
void write_inputs(const Unrolling& net, Strip<V> strip, Size member, Size t, const float* grads) {
    const Size from = (member * net.batch * net.length + t) * net.inputs;
    strip.write(grads, net.inputs, net.of_inputs + from, net.length * net.inputs);
}

// Weights (H, K) of what is fed back, then the inputs, for each of the sums; missing ones are 0.
template <class Kind, int V> class Pass {
    static constexpr Size lanes = Strip<V>::lanes, sums = Kind::sums,
                          input_blocks = sizeof(Kind::of_input) / sizeof(int),
                          state_blocks = sizeof(Kind::of_state) / sizeof(int);

  public:
    Pass(const Unrolling& net, const Answer& answer, Size member, Strip<V> strip)
        : net(net), member(member), strip(strip), H(net.size), I(net.inputs), K(H + I),
          T(net.length), O(answer.classes),
          room(((T + 1) * (K + H) + T * sums * H + 2 * H + I + net.wanted * O) * lanes
               + 2 * whole_vectors(K * sums * H) + whole_vectors(O * H)
               + whole_vectors(sums * H)),
          read(room.take((T + 1) * K * lanes)), memory(room.take((T + 1) * H * lanes)),
          acts(room.take(T * sums * H * lanes)), weight(room.take(whole_vectors(sums * H * K))),
          answering(answer, member, strip, net.batch, net.wanted, H) {
        std::fill(weight, weight + sums * H * K, 0.0f);
        each_block([&](Size p, Size g, Size first, Size columns, const float* from) {
            for (Size j = 0; j < H; ++j)
                std::memcpy(weight + (g * H + j) * K + first, from + (p * H + j) * columns,
                            columns * sizeof(float));
        });
    }

    void learn() {
        forward();
        float *answers = room.take(net.wanted * O * lanes),
              *turned = room.take(whole_vectors(O * H));
        for (Size s = 0; s < net.wanted; ++s) {
            float* y = answers + s * O * lanes;
            answering.read(after(net.steps[s]), y);
            answering.judge(s, y, nullptr);
        }
        answering.add_loss();
        net.each_wanted_run([&](Size s, Size count) {
            answering.learn({answers + s * O * lanes, O * lanes}, {after(net.steps[s]), K * lanes},
                            count);
        });
        transpose(answering.weight, H, O, H, turned);
        backward(answers, turned);
    }

  private:
    const Unrolling& net;
    const Size member;
    const Strip<V> strip;
    const Size H, I, K, T, O;
    Room room;
    float *read, *memory, *acts, *weight;  // panels of (h_{t-1}, x_t), c_t, and the sums
    StripAnswering<V> answering;

    float* after(Size t) const { return read + (t + 1) * K * lanes; }
    static bool reads_state(Size g) {
        for (int sum : Kind::of_state)
            if (sum == g) return true;
        return false;
    }
    static bool reads_input(Size g) {
        for (int sum : Kind::of_input)
            if (sum == g) return true;
        return false;
    }

    // Call `work` with each block of weights: its index, its sum, its first column among K, how
    // many columns, and the weights.
    template <class Work> void each_block(Work work) const {
        for (Size p = 0; p < state_blocks; ++p)
            work(p, Kind::of_state[p], Size(0), H, net.state_weight + member * state_blocks * H * H);
        for (Size p = 0; p < input_blocks; ++p)
            work(p, Kind::of_input[p], H, I, net.input_weight + member * input_blocks * H * I);
    }

    void forward() {
        const Size from = member * net.batch;
        strip.read(net.hidden + from * H, H, H, read);
        if (Kind::remembers) strip.read(net.memory + from * H, H, H, memory);
        const float* bias = net.bias + member * sums * H;
        for (Size t = 0; t < T; ++t) {
            float *z = read + t * K * lanes, *act = acts + t * sums * H * lanes;
            read_inputs(net, strip, member, t, z + H * lanes);
            for (Size g = 0; g < sums; ++g) {
                const Size first = reads_state(g) ? 0 : H, end = reads_input(g) ? K : H;
                product<V>(weight + g * H * K + first, K, z + first * lanes, end - first,
                           bias + g * H, act + g * H * lanes, H);
            }
            float* cell = memory + t * H * lanes;
            Kind::step(H * lanes, act, z, after(t), cell, cell + H * lanes);
        }
        if (net.last_hidden) strip.write(after(T - 1), H, net.last_hidden + from * H, H);
        if (Kind::remembers && net.last_memory)
            strip.write(memory + T * H * lanes, H, net.last_memory + from * H, H);
    }

    void backward(const float* answers, const float* speak_back) {
        float *of_hidden = room.take(H * lanes), *of_memory = room.take(H * lanes),
              *turned = room.take(whole_vectors(K * sums * H)), *of_input = room.take(I * lanes),
              *of_bias = room.take(whole_vectors(sums * H));
        const Size from = member * net.batch;
        transpose(weight, K, sums * H, K, turned);
        std::memset(of_hidden, 0, H * lanes * sizeof(float));
        std::memset(of_memory, 0, H * lanes * sizeof(float));
        Size s = net.wanted - 1;
        for (Size t = T - 1; t >= 0; --t) {
            const float *z = read + t * K * lanes, *cell = memory + t * H * lanes;
            float* act = acts + t * sums * H * lanes;
            if (s >= 0 && net.steps[s] == t) {
                product<V>(speak_back, O, answers + s * O * lanes, O, nullptr, of_hidden, H);
                --s;
            }
            Kind::back(H * lanes, act, act, z, after(t), cell, cell + H * lanes, of_hidden,
                       of_memory);
            for (Size g = 0; g < sums; ++g)
                if (reads_state(g))
                    product<V>(turned + g * H, sums * H, act + g * H * lanes, H, nullptr,
                               of_hidden, H);
            if (net.of_inputs) {
                std::memset(of_input, 0, I * lanes * sizeof(float));
                product<V>(turned + H * sums * H, sums * H, act, sums * H, nullptr, of_input, I);
                write_inputs(net, strip, member, t, of_input);
            }
        }
        if (net.of_hidden) strip.write(of_hidden, H, net.of_hidden + from * H, H);
        if (Kind::remembers && net.of_memory)
            strip.write(of_memory, H, net.of_memory + from * H, H);
        const Panels grads{acts, sums * H * lanes};
        each_block([&](Size p, Size g, Size first, Size columns, const float* weights) {
            const bool state = !first;
            float* to = state ? net.of_state_weight + (weights - net.state_weight)
                              : net.of_input_weight + (weights - net.input_weight);
            outer<V>(grads.row(g * H, lanes), {read + first * lanes, K * lanes}, T,
                     to + p * H * columns, columns, H, columns);
        });
        std::memset(of_bias, 0, sums * H * sizeof(float));
        total<V>(grads, T, of_bias, sums * H);
        for (Size i = 0; i < sums * H; ++i) net.of_bias[member * sums * H + i] += of_bias[i];
    }
};

template <class Kind> void learn_scan(const Unrolling& net, const Answer& answer, Size member) {
    in_strips(net.batch, [&](auto strip) {
        Pass<Kind, strip.lanes / WIDTH>(net, answer, member, strip).learn();
    });
}

template <Activation f, int V>
void learn_jordan(const Unrolling& net, const Answer& answer, Size member, Strip<V> strip) {
    constexpr Size lanes = Strip<V>::lanes;
    const Size H = net.size, I = net.inputs, T = net.length, O = answer.classes, K = O + I,
               from = member * net.batch;
    const float *bias = net.bias + member * H, decay = static_cast<float>(net.decay);
    StripAnswering<V> answering(answer, member, strip, net.batch, net.wanted, H);
    Room room((T * (K + 2 * H + O) + (T + 1) * O + 3 * O + I) * lanes + whole_vectors(O * H)
              + 2 * whole_vectors(K * H));
    float *read = room.take(T * K * lanes), *hidden = room.take(T * H * lanes),
          *of_sums = room.take(T * H * lanes), *of_answers = room.take(T * O * lanes),
          *fed = room.take((T + 1) * O * lanes), *of_fed = room.take(O * lanes),
          *of_context = room.take(O * lanes), *taught = room.take(O * lanes),
          *of_input = room.take(I * lanes), *speak_back = room.take(whole_vectors(O * H)),
          *read_back = room.take(whole_vectors(K * H)), *weight = room.take(whole_vectors(K * H));
    for (Size j = 0; j < H; ++j) {
        std::memcpy(weight + j * K, net.state_weight + (member * H + j) * O, O * sizeof(float));
        std::memcpy(weight + j * K + O, net.input_weight + (member * H + j) * I,
                    I * sizeof(float));
    }

    strip.read(net.hidden + from * O, O, O, fed);
    strip.read(net.memory + from * O, O, O, taught);  // the context before
    const float* context = taught;
    for (Size t = 0, s = 0; t < T; ++t) {
        float *z = read + t * K * lanes, *h = hidden + t * H * lanes,
              *y = of_answers + t * O * lanes, *p = fed + t * O * lanes;
        if (net.taught && t) answering.teach(t - 1, p);
        decayed(context, p, decay, z, O * lanes);
        context = z;
        read_inputs(net, strip, member, t, z + O * lanes);
        product<V>(weight, K, z, K, bias, h, H);
        activate<f>(h, H * lanes);
        answering.read(h, y);
        if (s < net.wanted && net.steps[s] == t) answering.judge(s++, y, p + O * lanes);
        else {
            answering.squash(y, p + O * lanes);
            std::memset(y, 0, O * lanes * sizeof(float));
        }
    }
    answering.add_loss();
    if (net.last_hidden) strip.write(fed + T * O * lanes, O, net.last_hidden + from * O, O);
    if (net.last_memory) strip.write(context, O, net.last_memory + from * O, O);

    transpose(answering.weight, H, O, H, speak_back);
    transpose(weight, K, H, K, read_back);
    std::memset(of_fed, 0, O * lanes * sizeof(float));
    std::memset(of_context, 0, O * lanes * sizeof(float));
    for (Size t = T - 1; t >= 0; --t) {
        const float *h = hidden + t * H * lanes, *p = fed + (t + 1) * O * lanes;
        float *y = of_answers + t * O * lanes, *a = of_sums + t * H * lanes;
        if (net.taught && t + 1 < T) answering.forget(t, of_fed);
        for (int v = 0; v < V; ++v) {
            Vec mean{};
            for (Size j = v * WIDTH; j < O * lanes; j += lanes)
                mean += load(p + j) * load(of_fed + j);
            for (Size j = v * WIDTH; j < O * lanes; j += lanes)
                store(y + j, load(y + j) + load(p + j) * (load(of_fed + j) - mean));
        }
        std::memset(a, 0, H * lanes * sizeof(float));
        product<V>(speak_back, O, y, O, nullptr, a, H);
        back_to_sums<f>(a, h, H * lanes);
        product<V>(read_back, H, a, H, nullptr, of_context, O);
        back_to_decayed(of_context, of_fed, decay, O * lanes);
        if (net.of_inputs) {
            std::memset(of_input, 0, I * lanes * sizeof(float));
            product<V>(read_back + O * H, H, a, H, nullptr, of_input, I);
            write_inputs(net, strip, member, t, of_input);
        }
    }
    if (net.of_hidden) strip.write(of_fed, O, net.of_hidden + from * O, O);
    if (net.of_memory) strip.write(of_context, O, net.of_memory + from * O, O);
    answering.learn({of_answers, O * lanes}, {hidden, H * lanes}, T);
    const Panels grads{of_sums, H * lanes};
    outer<V>(grads, {read, K * lanes}, T, net.of_state_weight + member * H * O, O, H, O);
    outer<V>(grads, {read + O * lanes, K * lanes}, T, net.of_input_weight + member * H * I, I, H,
             I);
    total<V>(grads, T, net.of_bias + member * H, H);
}

template <Activation f, int V>
void learn_taps(const Unrolling& net, const Answer& answer, Size member, Strip<V> strip) {
    constexpr Size lanes = Strip<V>::lanes;
    const Size H = net.size, I = net.inputs, T = net.length, S = net.wanted, O = answer.classes,
               K = net.taps * I, before = K - I;
    const float* bias = net.bias + member * H;
    StripAnswering<V> answering(answer, member, strip, net.batch, S, H);
    Room room((2 * (before + T * I) + S * (2 * H + O)) * lanes + whole_vectors(O * H)
              + 3 * whole_vectors(K * H));
    float *inputs = room.take((before + T * I) * lanes),
          *of_inputs = room.take((before + T * I) * lanes), *hidden = room.take(S * H * lanes),
          *of_sums = room.take(S * H * lanes), *of_answers = room.take(S * O * lanes),
          *speak_back = room.take(whole_vectors(O * H)),
          *read_back = room.take(whole_vectors(K * H)), *weight = room.take(whole_vectors(K * H)),
          *of_weight = room.take(whole_vectors(K * H));
    // Where a weight stands in `given`: newest input first, here oldest first.
    const auto place = [&](Size j, Size tap) { return (member * H + j) * K + before - tap * I; };
    for (Size j = 0; j < H; ++j)
        for (Size tap = 0; tap < net.taps; ++tap)
            std::memcpy(weight + j * K + tap * I, net.input_weight + place(j, tap),
                        I * sizeof(float));

    if (net.ids) {
        strip.read(net.hidden + member * net.batch * before, before, before, inputs);
        for (Size t = 0; t < T; ++t)
            read_inputs(net, strip, member, t, inputs + (before + t * I) * lanes);
    } else {
        strip.read(net.numbers + member * net.batch * (before + T * I), before + T * I,
                   before + T * I, inputs);
    }
    transpose(answering.weight, H, O, H, speak_back);
    std::memset(of_sums, 0, S * H * lanes * sizeof(float));
    for (Size s = 0; s < S; ++s) {
        float *h = hidden + s * H * lanes, *y = of_answers + s * O * lanes,
              *a = of_sums + s * H * lanes;
        product<V>(weight, K, inputs + net.steps[s] * I * lanes, K, bias, h, H);
        activate<f>(h, H * lanes);
        answering.read(h, y);
        answering.judge(s, y, nullptr);
        product<V>(speak_back, O, y, O, nullptr, a, H);
        back_to_sums<f>(a, h, H * lanes);
    }
    answering.add_loss();

    answering.learn({of_answers, O * lanes}, {hidden, H * lanes}, S);
    total<V>({of_sums, H * lanes}, S, net.of_bias + member * H, H);
    std::memset(of_weight, 0, K * H * sizeof(float));
    net.each_wanted_run([&](Size s, Size count) {
        outer<V>({of_sums + s * H * lanes, H * lanes},
                 {inputs + net.steps[s] * I * lanes, I * lanes}, count, of_weight, K, H, K);
    });
    for (Size j = 0; j < H; ++j)
        for (Size tap = 0; tap < net.taps; ++tap)
            for (Size i = 0; i < I; ++i)
                net.of_input_weight[place(j, tap) + i] += of_weight[j * K + tap * I + i];
    if (net.of_inputs || net.of_hidden) {
        transpose(weight, K, H, K, read_back);
        std::memset(of_inputs, 0, (before + T * I) * lanes * sizeof(float));
        for (Size s = 0; s < S; ++s)
            product<V>(read_back, H, of_sums + s * H * lanes, H, nullptr,
                       of_inputs + net.steps[s] * I * lanes, K);
        if (net.of_hidden)
            strip.write(of_inputs, before, net.of_hidden + member * net.batch * before, before);
        for (Size t = 0; net.of_inputs && t < T; ++t)
            write_inputs(net, strip, member, t, of_inputs + (before + t * I) * lanes);
    }
}

template <class... Kinds>
void learn_cell(std::tuple<Kinds...>*, int cell, const Unrolling& net, const Answer& answer,
                Size member) {
    constexpr void (*all[])(const Unrolling&, const Answer&, Size) = {learn_scan<Kinds>...};
    all[cell](net, answer, member);
}

}  // namespace

void learn_scan_in_strips(int cell, const Unrolling& net, const Answer& answer, Size member) {
    learn_cell(static_cast<Cells*>(nullptr), cell, net, answer, member);
}

void learn_jordan_in_strips(int activation, const Unrolling& net, const Answer& answer,
                            Size member) {
    in_strips(net.batch, [&](auto strip) {
        with_activation(activation,
                        [&](auto f) { learn_jordan<f>(net, answer, member, strip); });
    });
}

void learn_taps_in_strips(int activation, const Unrolling& net, const Answer& answer, Size member) {
    in_strips(net.batch, [&](auto strip) {
        with_activation(activation, [&](auto f) { learn_taps<f>(net, answer, member, strip); });
    });
}
