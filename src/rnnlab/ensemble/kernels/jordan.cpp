// The loss of a Jordan network with token targets and its gradients, over all time steps.
//
//     c_t = decay c_{t-1} + p_t;  h_t = f(A (c_t, x_t) + b);  y_t = V h_t + d
//
// where p_t = softmax(y_{t-1}), or under teacher forcing the one-hot target of step t-1 where the
// mask is true. The initial state is p_0 (`hidden`) and the context c_{-1} (`cell`).

#include "answer.h"
#include "unrolling.h"

template <int V>
void learn_jordan(Activation f, const Unrolling& net, const Answer& answer, Size member,
                  Strip<V> strip) {
    constexpr Size lanes = Strip<V>::lanes;
    const Size H = net.size, I = net.inputs, T = net.length, O = answer.classes, K = O + I,
               from = member * net.batch;
    const float *weight = net.weight + member * H * K, *bias = net.bias + member * H,
                decay = static_cast<float>(net.decay);
    Answering<V> answering(answer, member, strip, net.batch, net.wanted, H);
    Room room((T * (K + 2 * H + O) + (T + 1) * O + 3 * O + I) * lanes + whole_vectors(O * H)
              + whole_vectors(K * H));
    float *read = room.take(T * K * lanes), *hidden = room.take(T * H * lanes),
          *of_sums = room.take(T * H * lanes), *of_answers = room.take(T * O * lanes),
          *fed = room.take((T + 1) * O * lanes), *of_fed = room.take(O * lanes),
          *of_context = room.take(O * lanes), *taught = room.take(O * lanes),
          *of_input = room.take(I * lanes), *speak_back = room.take(whole_vectors(O * H)),
          *read_back = room.take(whole_vectors(K * H));

    strip.read(net.hidden + from * O, O, O, fed);
    strip.read(net.cell + from * O, O, O, taught);  // the context before
    const float* context = taught;
    for (Size t = 0, s = 0; t < T; ++t) {
        float *z = read + t * K * lanes, *h = hidden + t * H * lanes,
              *y = of_answers + t * O * lanes, *p = fed + t * O * lanes;
        if (net.taught && t) answering.teach(t - 1, p);
        for (Size j = 0; j < O * lanes; j += WIDTH)
            store(z + j, load(p + j) + load(context + j) * decay);
        context = z;
        net.read(strip, member, t, z + O * lanes);
        product<V>(weight, K, z, K, bias, h, H);
        activate(f, h, h, H * lanes);
        answering.read(h, y);
        if (s < net.wanted && net.steps[s] == t) answering.judge(s++, y, p + O * lanes);
        else {
            answering.squash(y, p + O * lanes);
            std::memset(y, 0, O * lanes * sizeof(float));
        }
    }
    answering.add_loss();

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
        through(f, a, h, a, H * lanes);
        product<V>(read_back, H, a, H, nullptr, of_context, O);
        for (Size j = 0; j < O * lanes; j += WIDTH) {
            store(of_fed + j, load(of_context + j));
            store(of_context + j, load(of_context + j) * decay);
        }
        if (net.of_inputs) {
            std::memset(of_input, 0, I * lanes * sizeof(float));
            product<V>(read_back + O * H, H, a, H, nullptr, of_input, I);
            net.write(strip, member, t, of_input);
        }
    }
    if (net.of_hidden) strip.write(of_fed, O, net.of_hidden + from * O, O);
    if (net.of_cell) strip.write(of_context, O, net.of_cell + from * O, O);
    answering.learn({of_answers, O * lanes}, {hidden, H * lanes}, T);
    outer<V>({of_sums, H * lanes}, {read, K * lanes}, T, net.of_weight + member * H * K, K, H, K);
    total<V>({of_sums, H * lanes}, T, net.of_bias + member * H, H);
}

extern "C" bool rnnlab_jordan(int activation, int, const Unrolling* net, const Answer* answer,
                              Size first, Size last) {
    return for_members(first, last, [&](Size member) {
        in_strips(net->batch, [&](auto strip) {
            learn_jordan(static_cast<Activation>(activation), *net, *answer, member, strip);
        });
    });
}
