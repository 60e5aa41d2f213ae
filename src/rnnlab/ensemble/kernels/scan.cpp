// Elman networks, GRUs and LSTMs over all time steps, forward and backward.
//
//     a_t = A (h_{t-1}, x_t) + b;  h_t, c_t = kind(a_t, h_{t-1}, c_{t-1})
//
// One member after another, in buffers that stay in the cache. With a readout and a loss both
// passes are one call; else the backward pass computes the states again, which costs less than to
// store those of all members.

#include "answer.h"
#include "unrolling.h"

namespace {

// A kind of cell works in place on `sums`, the G weighted sums of a step: `step` replaces them by
// the activations that `back` needs, `back` by the sums' gradients. `back` also replaces the
// gradient of the new state in `of_hidden` by the part that reaches the old state directly.

struct Plain {
    static constexpr int sums = 1, recurring = 1;
    static constexpr bool remembers = false;

    static void step(Activation f, Size numbers, float* sums, const float*, float* hidden,
                     const float*, float*) {
        activate(f, sums, hidden, numbers);
    }
    static void back(Activation f, Size numbers, float* sums, const float*, const float* hidden,
                     const float*, const float*, float* of_hidden, float*) {
        through(f, of_hidden, hidden, sums, numbers);
        std::memset(of_hidden, 0, numbers * sizeof(float));
    }
};

// GRU; the sums are a_r, a_z, U_n h + c_n, W_n x + b_n.
struct Gated {
    static constexpr int sums = 4, recurring = 3;
    static constexpr bool remembers = false;

    static void step(Activation, Size numbers, float* sums, const float* before, float* hidden,
                     const float*, float*) {
        float *resets = sums, *updates = resets + numbers, *inners = updates + numbers,
              *candidates = inners + numbers;
        for (Size j = 0; j < numbers; j += WIDTH) {
            const Vec r = sigmoid(load(resets + j)), z = sigmoid(load(updates + j));
            const Vec n = hyperbolic(load(candidates + j) + r * load(inners + j));
            store(resets + j, r);
            store(updates + j, z);
            store(candidates + j, n);
            store(hidden + j, n + z * (load(before + j) - n));
        }
    }
    static void back(Activation, Size numbers, float* sums, const float* before, const float*,
                     const float*, const float*, float* of_hidden, float*) {
        float *resets = sums, *updates = resets + numbers, *inners = updates + numbers,
              *candidates = inners + numbers;
        for (Size j = 0; j < numbers; j += WIDTH) {
            const Vec r = load(resets + j), z = load(updates + j), u = load(inners + j),
                      n = load(candidates + j), grad = load(of_hidden + j);
            const Vec through = grad * z, of_candidate = (grad - through) * slope(TANH, n);
            store(resets + j, of_candidate * u * slope(SIGMOID, r));
            store(updates + j, grad * (load(before + j) - n) * slope(SIGMOID, z));
            store(inners + j, of_candidate * r);
            store(candidates + j, of_candidate);
            store(of_hidden + j, through);
        }
    }
};

// LSTM; the sums are those of input gate, forget gate, candidate and output gate: i, f, g, o.
struct LongShort {
    static constexpr int sums = 4, recurring = 4;
    static constexpr bool remembers = true;

    static void step(Activation, Size numbers, float* sums, const float*, float* hidden,
                     const float* cell, float* after) {
        float *writes = sums, *keeps = writes + numbers, *candidates = keeps + numbers,
              *reads = candidates + numbers;
        for (Size j = 0; j < numbers; j += WIDTH) {
            const Vec i = sigmoid(load(writes + j)), f = sigmoid(load(keeps + j)),
                      g = hyperbolic(load(candidates + j)), o = sigmoid(load(reads + j));
            const Vec c = f * load(cell + j) + i * g;
            store(writes + j, i);
            store(keeps + j, f);
            store(candidates + j, g);
            store(reads + j, o);
            store(after + j, c);
            store(hidden + j, o * hyperbolic(c));
        }
    }
    static void back(Activation, Size numbers, float* sums, const float*, const float*,
                     const float* cell, const float* after, float* of_hidden, float* of_cell) {
        float *writes = sums, *keeps = writes + numbers, *candidates = keeps + numbers,
              *reads = candidates + numbers;
        for (Size j = 0; j < numbers; j += WIDTH) {
            const Vec i = load(writes + j), f = load(keeps + j), g = load(candidates + j),
                      o = load(reads + j), grad = load(of_hidden + j);
            const Vec squashed = hyperbolic(load(after + j));
            const Vec of_c = load(of_cell + j) + grad * o * slope(TANH, squashed);
            store(writes + j, of_c * g * slope(SIGMOID, i));
            store(keeps + j, of_c * load(cell + j) * slope(SIGMOID, f));
            store(candidates + j, of_c * i * slope(TANH, g));
            store(reads + j, grad * squashed * slope(SIGMOID, o));
            store(of_cell + j, of_c * f);
            store(of_hidden + j, Vec{});
        }
    }
};

// Both passes over one strip of one member's batch.
template <class Kind, int V> class Pass {
    static constexpr Size lanes = Strip<V>::lanes;
    static constexpr int sums = Kind::sums;

  public:
    Pass(Activation f, const Unrolling& scan, Size member, Strip<V> strip, Size classes)
        : f(f), scan(scan), member(member), strip(strip), H(scan.size), I(scan.inputs), K(H + I),
          T(scan.length), weight(scan.weight + member * sums * H * K),
          bias(scan.bias + member * sums * H),
          room(((T + 1) * (K + H) + T * sums * H + 3 * H + I + scan.wanted * classes) * lanes
               + whole_vectors(K * sums * H) + whole_vectors(classes * H)),
          read(room.take((T + 1) * K * lanes)), cells(room.take((T + 1) * H * lanes)),
          acts(room.take(T * sums * H * lanes)) {}

    void forward() {
        const Size from = member * scan.batch;
        strip.read(scan.hidden + from * H, H, H, read);
        if (Kind::remembers) strip.read(scan.cell + from * H, H, H, cells);
        for (Size t = 0; t < T; ++t) {
            float *z = read + t * K * lanes, *act = acts + t * sums * H * lanes;
            scan.read(strip, member, t, z + H * lanes);
            for (int g = 0; g < sums; ++g) {
                const Size first = begin(g), count = end(g) - first;
                product<V>(weight + g * H * K + first, K, z + first * lanes, count, bias + g * H,
                           act + g * H * lanes, H);
            }
            float* cell = cells + t * H * lanes;
            Kind::step(f, H * lanes, act, z, after(t), cell, cell + H * lanes);
        }
    }

    void write_states() const {
        for (Size s = 0; s < scan.wanted; ++s)
            strip.write(after(scan.steps[s]), H, scan.states + place(s), scan.wanted * H);
        if (Kind::remembers)
            strip.write(cells + T * H * lanes, H, scan.memory + member * scan.batch * H, H);
    }

    // The backward pass from the gradients of the states that were returned.
    void backward() {
        float* reached = room.take(H * lanes);
        back_from([&](Size s, float* of_hidden) {
            if (!scan.of_states) return;
            strip.read(scan.of_states + place(s), scan.wanted * H, H, reached);
            for (Size j = 0; j < H * lanes; j += WIDTH)
                store(of_hidden + j, load(of_hidden + j) + load(reached + j));
        });
    }

    // Readout and loss at the wanted steps, and the backward pass from the loss.
    void learn(const Answer& answer) {
        const Size O = answer.classes;
        Answering<V> answering(answer, member, strip, scan.batch, scan.wanted, H);
        float *answers = room.take(scan.wanted * O * lanes),
              *turned = room.take(whole_vectors(O * H));
        for (Size s = 0; s < scan.wanted; ++s) {
            float* y = answers + s * O * lanes;
            answering.read(after(scan.steps[s]), y);
            answering.judge(s, y, nullptr);
        }
        answering.add_loss();
        scan.in_runs([&](Size s, Size count) {
            answering.learn({answers + s * O * lanes, O * lanes}, {after(scan.steps[s]), K * lanes},
                            count);
        });
        transpose(answering.weight, H, O, H, turned);
        back_from([&](Size s, float* of_hidden) {
            product<V>(turned, O, answers + s * O * lanes, O, nullptr, of_hidden, H);
        });
    }

  private:
    const Activation f;
    const Unrolling& scan;
    const Size member;
    const Strip<V> strip;
    const Size H, I, K, T;
    const float *weight, *bias;
    Room room;
    float *read, *cells, *acts;  // panels of (h_{t-1}, x_t), c_t, and the sums

    // The columns of (h, x) that sum g reads: the GRU's third sum only h, its fourth only x.
    Size begin(int g) const { return g < Kind::recurring ? 0 : H; }
    Size end(int g) const { return Kind::recurring < sums && g == Kind::recurring - 1 ? H : K; }

    float* after(Size t) const { return read + (t + 1) * K * lanes; }
    Size place(Size s) const { return (member * scan.batch * scan.wanted + s) * H; }

    // The backward pass; `reach(s, of_hidden)` adds the gradient of the s-th wanted state.
    template <class Reach> void back_from(Reach reach) {
        float *of_hidden = room.take(H * lanes), *of_cell = room.take(H * lanes),
              *turned = room.take(whole_vectors(K * sums * H)), *of_input = room.take(I * lanes);
        const Size from = member * scan.batch;
        transpose(weight, K, sums * H, K, turned);
        std::memset(of_hidden, 0, H * lanes * sizeof(float));
        if (Kind::remembers && scan.of_memory) strip.read(scan.of_memory + from * H, H, H, of_cell);
        else std::memset(of_cell, 0, H * lanes * sizeof(float));
        Size s = scan.wanted - 1;
        for (Size t = T - 1; t >= 0; --t) {
            const float *z = read + t * K * lanes, *cell = cells + t * H * lanes;
            float* act = acts + t * sums * H * lanes;
            if (s >= 0 && scan.steps[s] == t) reach(s--, of_hidden);
            Kind::back(f, H * lanes, act, z, after(t), cell, cell + H * lanes, of_hidden, of_cell);
            product<V>(turned, sums * H, act, Kind::recurring * H, nullptr, of_hidden, H);
            if (scan.of_inputs) {
                std::memset(of_input, 0, I * lanes * sizeof(float));
                product<V>(turned + H * sums * H, sums * H, act, sums * H, nullptr, of_input, I);
                scan.write(strip, member, t, of_input);
            }
        }
        if (scan.of_hidden) strip.write(of_hidden, H, scan.of_hidden + from * H, H);
        if (scan.of_cell) strip.write(of_cell, H, scan.of_cell + from * H, H);
        for (int g = 0; g < sums; ++g) {
            const Panels grads{acts + g * H * lanes, sums * H * lanes};
            const Size first = begin(g), count = end(g) - first;
            outer<V>(grads, {read + first * lanes, K * lanes}, T,
                     scan.of_weight + (member * sums + g) * H * K + first, K, H, count);
            total<V>(grads, T, scan.of_bias + (member * sums + g) * H, H);
        }
    }
};

template <class Kind>
void run(Activation f, Operation operation, const Unrolling& scan, const Answer* answer,
         Size member) {
    in_strips(scan.batch, [&](auto strip) {
        Pass<Kind, strip.lanes / WIDTH> pass(f, scan, member, strip, answer ? answer->classes : 0);
        pass.forward();
        if (operation == FORWARD) pass.write_states();
        if (operation == BACKWARD) pass.backward();
        if (operation == LEARN) pass.learn(*answer);
    });
}

}  // namespace

// `kind` is the activation of an Elman network, then the GRU, then the LSTM.
extern "C" bool rnnlab_scan(int kind, int operation, const Unrolling* scan, const Answer* answer,
                            Size first, Size last) {
    const auto pass = kind <= RELU ? run<Plain> : kind == RELU + 1 ? run<Gated> : run<LongShort>;
    return for_members(first, last, [&](Size member) {
        pass(static_cast<Activation>(kind), static_cast<Operation>(operation), *scan, answer,
             member);
    });
}
