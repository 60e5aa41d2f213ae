// The loss of one hidden layer over delay taps and its gradients, over all time steps.
//
//     h_t = f(A (x_{t-K+1}, ..., x_t) + b);  y_t = V h_t + d
//
// Successive inputs are adjacent in memory, so that a window of K steps is one panel without a
// copy. The initial state (`hidden`) is the K-1 inputs before; these and the weights are oldest
// first.

#include "answer.h"
#include "unrolling.h"

template <int V>
void learn_taps(Activation f, const Unrolling& net, const Answer& answer, Size member,
                Strip<V> strip) {
    constexpr Size lanes = Strip<V>::lanes;
    const Size H = net.size, I = net.inputs, T = net.length, S = net.wanted, O = answer.classes,
               before = net.fed, K = before + I;
    const float *weight = net.weight + member * H * K, *bias = net.bias + member * H;
    Answering<V> answering(answer, member, strip, net.batch, S, H);
    Room room((2 * (before + T * I) + S * (2 * H + O)) * lanes + whole_vectors(O * H)
              + whole_vectors(K * H));
    float *inputs = room.take((before + T * I) * lanes),
          *of_inputs = room.take((before + T * I) * lanes), *hidden = room.take(S * H * lanes),
          *of_sums = room.take(S * H * lanes), *of_answers = room.take(S * O * lanes),
          *speak_back = room.take(whole_vectors(O * H)),
          *read_back = room.take(whole_vectors(K * H));

    strip.read(net.hidden + member * net.batch * before, before, before, inputs);
    for (Size t = 0; t < T; ++t) net.read(strip, member, t, inputs + (before + t * I) * lanes);
    transpose(answering.weight, H, O, H, speak_back);
    std::memset(of_sums, 0, S * H * lanes * sizeof(float));
    for (Size s = 0; s < S; ++s) {
        float *h = hidden + s * H * lanes, *y = of_answers + s * O * lanes,
              *a = of_sums + s * H * lanes;
        product<V>(weight, K, inputs + net.steps[s] * I * lanes, K, bias, h, H);
        activate(f, h, h, H * lanes);
        answering.read(h, y);
        answering.judge(s, y, nullptr);
        product<V>(speak_back, O, y, O, nullptr, a, H);
        through(f, a, h, a, H * lanes);
    }
    answering.add_loss();

    answering.learn({of_answers, O * lanes}, {hidden, H * lanes}, S);
    total<V>({of_sums, H * lanes}, S, net.of_bias + member * H, H);
    net.in_runs([&](Size s, Size count) {
        outer<V>({of_sums + s * H * lanes, H * lanes},
                 {inputs + net.steps[s] * I * lanes, I * lanes}, count,
                 net.of_weight + member * H * K, K, H, K);
    });
    if (net.of_inputs || net.of_hidden) {
        transpose(weight, K, H, K, read_back);
        std::memset(of_inputs, 0, (before + T * I) * lanes * sizeof(float));
        for (Size s = 0; s < S; ++s)
            product<V>(read_back, H, of_sums + s * H * lanes, H, nullptr,
                       of_inputs + net.steps[s] * I * lanes, K);
        if (net.of_hidden)
            strip.write(of_inputs, before, net.of_hidden + member * net.batch * before, before);
        for (Size t = 0; net.of_inputs && t < T; ++t)
            net.write(strip, member, t, of_inputs + (before + t * I) * lanes);
    }
}

extern "C" bool rnnlab_taps(int activation, int, const Unrolling* net, const Answer* answer,
                            Size first, Size last) {
    return for_members(first, last, [&](Size member) {
        in_strips(net->batch, [&](auto strip) {
            learn_taps(static_cast<Activation>(activation), *net, *answer, member, strip);
        });
    });
}
