// Jordan networks over all time steps, forward and backward.
//
//     c_t = decay c_{t-1} + p_{t-1};  h_t = f(W x_t + U c_t + b);  y_t = V h_t + d
//
// where p_t = y_t, or softmax(y_t) with `squashed`; under teacher forcing the target of step t
// takes the place of p_t where it is given. The initial state is p_{-1} (`hidden`) and the context
// c_{-1} (`memory`), and `states` are the outputs y.

#include "jordan.h"
#include "small.h"

namespace {

template <Activation f> class Pass {
  public:
    Pass(const Unrolling& net, Size member, const Answer* judged, Operation operation)
        : net(net), judged(judged), member(member), B(net.rows), T(net.length), I(net.inputs),
          size(net.size), O(net.outputs), H(whole_vectors(size)), P(whole_vectors(O)),
          from(member * net.batch + net.first), kept(operation != FORWARD || net.tape),
          squashed(judged || net.squashed), tabled(net.ids && I <= B * T),
          room((net.tape ? 0 : tape_numbers(kept ? T : 1)) + weights_room(operation)) {
        float* at = net.tape ? net.tape + net.first * tape_row(net)
                             : room.take(tape_numbers(kept ? T : 1));
        hidden = at;
        contexts = hidden + (kept ? T : 1) * B * H;
        fed = contexts + (kept ? T + 1 : 2) * B * P;
    }

    static Size tape_row(const Unrolling& net) {
        return net.length * whole_vectors(net.size)
            + 2 * (net.length + 1) * whole_vectors(net.outputs);
    }

    void forward() { forward(nullptr); }
    void learn() {
        Answering answering(*judged, member, net.batch, net.wanted, size, room);
        logits = room.take(T * B * P);
        forward(&answering);
        back_from(&answering);
        answering.finish();
    }
    void backward() {
        logits = room.take(T * B * P);
        back_from(nullptr);
    }

  private:
    const Unrolling& net;
    const Answer* judged;
    const Size member, B, T, I, size, O, H, P, from;
    const bool kept, squashed, tabled;
    Room room;
    float *hidden, *contexts, *fed;  // h_t; c_t, of step t-1 before it; p_t likewise
    float* logits = nullptr;         // later their gradients

    Size tape_numbers(Size steps) const {
        return B * (steps * H + 2 * (steps + 1) * P);
    }
    float* hidden_at(Size t) const { return hidden + (kept ? t : 0) * B * H; }
    float* context_at(Size t) const { return contexts + (kept ? t : t % 2) * B * P; }
    float* fed_at(Size t) const { return fed + (kept ? t : t % 2) * B * P; }
    Size ages() const { return net.horizon ? net.horizon : 1; }
    const float* row(Size b, Size t) const { return net.numbers + ((from + b) * T + t) * columns(); }
    // The inputs of a step, and behind them the 2 O numbers of teacher forcing.
    Size columns() const { return I + (net.taught && !judged ? 2 * O : 0); }

    Size weights_room(Operation operation) const {
        const Size forward = H + P + H * whole_vectors(I) + O * H + size * P + B * P;
        const Size answering = judged ? Answering::room(O, size) : 0;
        if (operation == FORWARD) return forward;
        return forward + answering + T * B * (P + H) + ages() * 2 * B * P + 2 * B * (P + H) + H + P
            + O * H + H * P + whole_vectors(I) * H + B * whole_vectors(I)
            + H * (whole_rows(O) * 2 + whole_rows(I)) + Outer::room(std::max(O, net.ids ? 0 : I));
    }

    void forward(Answering* answering) {
        const float *input_weight = net.input_weight + member * size * I,
                    *state_weight = net.state_weight + member * size * O;
        float *bias = room.take(H), *read = nullptr, *table = nullptr,
              *recur = room.take(O * H), *speak = nullptr, *speak_bias = nullptr,
              *answers = room.take(B * P);
        copy_padded({net.bias + member * size, size}, 1, size, {bias, H});
        const auto rows_of = [=](const float* weight, Size columns) {
            return [=](Size c) { return c < size ? weight + c * columns : nullptr; };
        };
        pack(O, H, 1, rows_of(state_weight, O), recur);
        if (!net.ids) pack(I, H, 1, rows_of(input_weight, I), read = room.take(I * H));
        else if (tabled) {
            table = room.take(I * H);
            for (Size j = 0; j < H; ++j)
                for (Size i = 0; i < I; ++i)
                    table[i * H + j] = j < size ? input_weight[j * I + i] : 0;
        }
        if (!answering) {
            const float* weight = net.readout_weight + member * O * size;
            speak = room.take(size * P);
            pack(size, P, 1, [=](Size c) { return c < O ? weight + c * size : nullptr; }, speak);
            copy_padded({net.readout_bias + member * O, O}, 1, O, {speak_bias = room.take(P), P});
        }
        copy_padded({net.hidden + from * O, O}, B, O, {fed_at(0), P});
        copy_padded({net.memory + from * O, O}, B, O, {context_at(0), P});
        for (Size t = 0, s = 0; t < T; ++t) {
            float *h = hidden_at(t), *c = context_at(t + 1);
            remember(t, answering);
            if (net.ids)
                for (Size b = 0; b < B; ++b) {
                    std::memcpy(h + b * H, bias, H * sizeof(float));
                    const int64_t id = net.ids[(from + b) * T + t];
                    if (table) add(h + b * H, table + id * H, H);
                    else
                        for (Size j = 0; j < size; ++j) h[b * H + j] += input_weight[j * I + id];
                }
            else multiply({row(0, t), T * columns()}, B, I, read, H, {bias, 0}, {h, H});
            multiply({c, P}, B, O, recur, H, {h, H}, {h, H});
            activate<f>(h, B * H);
            const OutRows next{fed_at(t + 1), P};
            const bool wanted = s < net.wanted && net.steps[s] == t;
            if (answering) {
                const OutRows y{logits + t * B * P, P};
                answering->read({h, H}, B, y);
                if (wanted) answering->judge(net.first, B, s, y, next);
                else {
                    answering->squash(B, y, next);
                    std::fill(y.at, y.at + B * P, 0.0f);
                }
            } else {
                const OutRows y{answers, P};
                multiply({h, H}, B, size, speak, P, {speak_bias, 0}, y);
                if (wanted && net.states)
                    copy(y, B, O, {net.states + (from * net.wanted + s) * O, net.wanted * O});
                for (Size b = 0; b < B; ++b) feed(y.row(b), next.row(b));
            }
            if (net.mask) hold(t);
            s += wanted;
        }
        if (net.last_hidden) copy({fed_at(T), P}, B, O, {net.last_hidden + from * O, O});
        if (net.last_memory) copy({context_at(T), P}, B, O, {net.last_memory + from * O, O});
    }

    // Write p to where the next step finds it.
    void feed(const float* y, float* p) const {
        if (!squashed) {
            std::memcpy(p, y, P * sizeof(float));
            return;
        }
        float most = y[0], total = 0;
        for (Size i = 1; i < O; ++i) most = std::max(most, y[i]);
        for (Size i = 0; i < P; i += WIDTH) store(p + i, exponential(load(y + i) - most));
        std::fill(p + O, p + P, 0.0f);
        for (Size i = 0; i < O; ++i) total += p[i];
        for (Size i = 0; i < P; i += WIDTH) store(p + i, load(p + i) / total);
        if (most != most) std::fill(p, p + O, most);
    }

    // Whether teacher forcing replaces the i-th output of step t-1, and by what target.
    bool forced(Size b, Size t, Size i, const Answering* answering, float* target) const {
        if (!net.taught || !net.real(member, net.first + b, t)) return false;
        if (answering) {
            const int64_t id = t ? answering->right(net.first + b, t - 1) : -1;
            if (target) *target = id == i;
            return id >= 0;
        }
        const float* numbers = row(b, t) + I;
        if (target) *target = numbers[i];
        return numbers[O + i] > 0;
    }

    // c_t from what is fed back.
    void remember(Size t, const Answering* answering) const {
        const float *before = context_at(t), *p = fed_at(t), decay = static_cast<float>(net.decay);
        float* c = context_at(t + 1);
        decayed(before, p, decay, c, B * P);
        for (Size b = 0; net.taught && b < B; ++b)
            for (Size i = 0; i < O; ++i) {
                float target;
                if (forced(b, t, i, answering, &target))
                    c[b * P + i] = before[b * P + i] * decay + target;
            }
    }

    // On padding the state stays.
    void hold(Size t) const {
        for (Size b = 0; b < B; ++b) {
            if (net.real(member, net.first + b, t)) continue;
            std::memcpy(fed_at(t + 1) + b * P, fed_at(t) + b * P, P * sizeof(float));
            std::memcpy(context_at(t + 1) + b * P, context_at(t) + b * P, P * sizeof(float));
        }
    }

    // The gradients of p_t and c_t for each age of an output, as in scan.cpp.
    void back_from(Answering* answering) {
        const Size D = ages(), below = net.ages_below;
        const float *input_weight = net.input_weight + member * size * I,
                    *state_weight = net.state_weight + member * size * O,
                    *readout = answering ? judged->weight + member * O * size
                                         : net.readout_weight + member * O * size;
        float *of_fed = room.take(D * B * P), *of_contexts = room.take(D * B * P),
              *of_sums = room.take(T * B * H), *one = room.take(B * H), *one_y = room.take(B * P),
              *of_bias = room.take(H), *of_speak_bias = room.take(P), *speak = room.take(O * H),
              *recur = room.take(H * P), *read = room.take(H * whole_vectors(I)),
              *of_input = room.take(B * whole_vectors(I));
        pack(O, H, size, [=](Size c) { return c < size ? readout + c : nullptr; }, speak);
        pack(size, P, O, [=](Size c) { return c < O ? state_weight + c : nullptr; }, recur);
        if (net.of_inputs)
            pack(size, whole_vectors(I), I,
                 [=, this](Size c) { return c < I ? input_weight + c : nullptr; }, read);
        for (float* part : {of_fed, of_contexts}) std::fill(part, part + D * B * P, 0.0f);
        std::fill(of_bias, of_bias + H, 0.0f);
        std::fill(of_speak_bias, of_speak_bias + P, 0.0f);
        if (!answering) std::fill(logits, logits + T * B * P, 0.0f);
        Size s = net.wanted - 1;
        for (Size t = T - 1; t >= 0; --t) {
            const bool reached = s >= 0 && net.steps[s] == t;
            float *a = of_sums + t * B * H, *y = logits + t * B * P;
            std::fill(a, a + B * H, 0.0f);
            for (Size age = 0; age < D; ++age) {
                const Size slot = (t + age) % D;
                float *p = of_fed + slot * B * P, *c = of_contexts + slot * B * P;
                if (net.horizon && !age) {
                    std::fill(p, p + B * P, 0.0f);
                    std::fill(c, c + B * P, 0.0f);
                }
                if (!age) add_last(t, p, c);
                if (t + 1 < T) unteach(t + 1, p, answering);
                // The gradient of y of this age.
                std::fill(one_y, one_y + B * P, 0.0f);
                if (!age && answering) std::memcpy(one_y, y, B * P * sizeof(float));
                if (reached && !answering) reach(s, age, one_y);
                for (Size b = 0; b < B; ++b)
                    unfeed(fed_at(t + 1) + b * P, p + b * P, one_y + b * P);
                if (net.mask)
                    for (Size b = 0; b < B; ++b)
                        if (!net.real(member, net.first + b, t))
                            std::fill(one_y + b * P, one_y + (b + 1) * P, 0.0f);
                if (!age) std::memcpy(y, one_y, B * P * sizeof(float));
                else add(y, one_y, B * P);
                std::fill(one, one + B * H, 0.0f);
                multiply({one_y, P}, B, O, speak, H, {one, H}, {one, H});
                back_to_sums<f>(one, hidden_at(t), B * H);
                add(a, one, B * H);
                if (!(net.horizon && age == D - 1 && t)) {
                    // p becomes the gradient of p_{t-1}, and c that of c_{t-1}.
                    multiply({one, H}, B, size, recur, P, {c, P}, {c, P});
                    for (Size b = 0; b < B; ++b)
                        if (net.real(member, net.first + b, t))
                            back_to_decayed(c + b * P, p + b * P, static_cast<float>(net.decay), P);
                }
                if (net.of_inputs && below > 1) write_inputs(t, age, one, read, of_input);
            }
            if (net.of_inputs && below == 1) write_inputs(t, 0, a, read, of_input);
            for (Size b = 0; b < B; ++b) {
                add(of_bias, a + b * H, H);
                add(of_speak_bias, y + b * P, P);
            }
            if (reached) --s;
        }
        for (Size age = 1; age < D; ++age) {
            add(of_fed, of_fed + age * B * P, B * P);
            add(of_contexts, of_contexts + age * B * P, B * P);
        }
        unteach(0, of_fed, answering);
        for (Size b = 0; net.mask && b < B; ++b)
            if (!net.real(member, net.first + b, 0)) add_last_row(b, of_fed, of_contexts);
        if (net.of_hidden) copy({of_fed, P}, B, O, {net.of_hidden + from * O, O});
        if (net.of_memory) copy({of_contexts, P}, B, O, {net.of_memory + from * O, O});
        for (Size j = 0; j < size; ++j) net.of_bias[member * size + j] += of_bias[j];
        weight_gradients(of_sums, of_speak_bias, answering);
    }

    void reach(Size s, Size age, float* of_y) const {
        const Size ages = net.ages_above;
        if (!net.of_states || age >= ages) return;
        const float* rows = net.of_states
            + (((member * ages + age) * net.batch + net.first) * net.wanted + s) * O;
        for (Size b = 0; b < B; ++b)
            for (Size i = 0; i < O; ++i) of_y[b * P + i] += rows[b * net.wanted * O + i];
    }

    // The gradient of an output in whose place a target was fed back is that of the target.
    void unteach(Size t, float* of_fed, const Answering* answering) const {
        for (Size b = 0; net.taught && b < B; ++b)
            for (Size i = 0; i < O; ++i) {
                if (!forced(b, t, i, answering, nullptr)) continue;
                if (net.of_inputs && !answering)
                    net.of_inputs[((from + b) * T + t) * columns() + I + i] += of_fed[b * P + i];
                of_fed[b * P + i] = 0;
            }
    }

    // Add the gradient of y that the gradient of p gives.
    void unfeed(const float* p, const float* of_p, float* of_y) const {
        if (!squashed) {
            add(of_y, of_p, P);
            return;
        }
        Vec total{};
        for (Size i = 0; i < P; i += WIDTH) total += load(p + i) * load(of_p + i);
        const float mean = sum(total);
        for (Size i = 0; i < P; i += WIDTH)
            store(of_y + i, load(of_y + i) + load(p + i) * (load(of_p + i) - mean));
    }

    void add_last(Size t, float* of_fed, float* of_context) const {
        for (Size b = 0; b < B; ++b)
            if (net.last(member, net.first + b, t)) add_last_row(b, of_fed, of_context);
    }
    void add_last_row(Size b, float* of_fed, float* of_context) const {
        for (Size i = 0; i < O; ++i) {
            const Size at = (from + b) * O + i;
            if (net.of_last_hidden) of_fed[b * P + i] += net.of_last_hidden[at];
            if (net.of_last_memory) of_context[b * P + i] += net.of_last_memory[at];
        }
    }

    void write_inputs(Size t, Size age, const float* of_sums, const float* read,
                      float* of_input) const {
        const Size width = whole_vectors(I), all = columns();
        std::fill(of_input, of_input + B * width, 0.0f);
        multiply({of_sums, H}, B, size, read, width, {of_input, width}, {of_input, width});
        const Size place = (member * net.ages_below + age) * net.batch + net.first;
        for (Size b = 0; b < B; ++b) {
            float* to = net.of_inputs + ((place + b) * T + t) * all;
            std::memcpy(to, of_input + b * width, I * sizeof(float));
            std::fill(to + I, to + all, 0.0f);
        }
    }

    void weight_gradients(const float* of_sums, const float* of_speak_bias,
                          Answering* answering) {
        Outer outer(room.take(Outer::room(std::max(O, net.ids ? 0 : I))));
        float *of_state = room.take(whole_rows(O) * H), *of_speak = room.take(whole_rows(O) * H),
              *of_input = room.take(whole_rows(I) * H);
        const Grid sums{of_sums, B * H, H};
        const auto add_transposed = [&](const float* from, Size columns, float* to) {
            for (Size j = 0; j < size; ++j)
                for (Size k = 0; k < columns; ++k) to[j * columns + k] += from[k * H + j];
        };
        std::fill(of_state, of_state + whole_rows(O) * H, 0.0f);
        outer.add({contexts + B * P, B * P, P}, O, sums, H, T, B, {of_state, H});
        add_transposed(of_state, O, net.of_state_weight + member * size * O);

        float* to = net.of_input_weight + member * size * I;
        std::fill(of_input, of_input + whole_rows(I) * H, 0.0f);
        if (net.ids)
            for (Size t = 0; t < T; ++t)
                for (Size b = 0; b < B; ++b)
                    add(of_input + net.ids[(from + b) * T + t] * H, of_sums + (t * B + b) * H, H);
        else outer.add({row(0, 0), columns(), T * columns()}, I, sums, H, T, B, {of_input, H});
        add_transposed(of_input, I, to);

        const Grid grads{logits, B * P, P}, features{hidden, B * H, H};
        if (answering) {
            answering->learn(grads, features, T, B);
            answering->set_bias(of_speak_bias);
            return;
        }
        std::fill(of_speak, of_speak + whole_rows(O) * H, 0.0f);
        outer.add(grads, O, features, H, T, B, {of_speak, H});
        for (Size i = 0; i < O; ++i) {
            net.of_readout_bias[member * O + i] += of_speak_bias[i];
            for (Size j = 0; j < size; ++j)
                net.of_readout_weight[(member * O + i) * size + j] += of_speak[i * H + j];
        }
    }
};

template <Activation f>
void run(Operation operation, const Unrolling& net, const Answer* answer, Size member) {
    Pass<f> pass(net, member, answer, operation);
    if (operation == LEARN) return pass.learn();
    if (operation == FORWARD || !net.tape) pass.forward();
    if (operation == BACKWARD) pass.backward();
}

}  // namespace

extern "C" Size rnnlab_jordan_tape(int, const Unrolling* net) { return Pass<TANH>::tape_row(*net); }

extern "C" bool rnnlab_jordan(int activation, int operation, const Unrolling* net,
                              const Answer* answer, Size first, Size last) {
    return in_memory([&] {
        for (Size member = first; member < last; ++member)
            if (operation == LEARN && learns_in_strips(*net, 2 * WIDTH))
                learn_jordan_in_strips(activation, *net, *answer, member);
            else
                with_activation(activation, [&](auto f) {
                    run<f>(static_cast<Operation>(operation), *net, answer, member);
                });
    });
}
