// Cells whose output is their hidden state over all time steps, forward and backward.
//
//     a_t = W x_t + U h_{t-1} + b;  h_t, c_t = cell(a_t, h_{t-1}, c_{t-1})
//
// One member after another, in buffers that stay in the cache. With a readout and a loss both
// passes are one call. Else FORWARD leaves on a tape what BACKWARD needs.

#include <array>

#include "answer.h"
#include "cells.h"
#include "small.h"

namespace {

// Both passes over the rows of one member's batch. The rows of a step follow one another, each
// with its sums, of whole vectors each.
template <class Kind> class Pass {
    static constexpr Size sums = Kind::sums, input_blocks = sizeof(Kind::of_input) / sizeof(int),
                          state_blocks = sizeof(Kind::of_state) / sizeof(int);

  public:
    Pass(const Unrolling& net, Size member, Size classes, Operation operation)
        : net(net), member(member), B(net.rows), T(net.length), I(net.inputs), size(net.size),
          H(whole_vectors(size)), S(sums * H), from(member * net.batch + net.first),
          kept(operation != FORWARD || net.tape), numbers(net.numbers),
          tabled(net.ids && I <= B * T),
          room(static_cast<Size>(0)
               + (net.tape ? 0 : (kept ? T : 1) * B * S + (kept ? T + 1 : 2) * B * H * states)
               + weights_room(operation)
               + (operation == LEARN
                      ? net.wanted * B * whole_vectors(classes) + Answering::room(classes, size)
                      : 0)) {
        float* at = net.tape ? net.tape + net.first * tape_row(net) : nullptr;
        const auto take = [&](Size count) {
            if (!at) return room.take(count);
            float* part = at;
            at += count;
            return part;
        };
        acts = take((kept ? T : 1) * B * S);
        hidden = take((kept ? T + 1 : 2) * B * H);
        memory = Kind::remembers ? take((kept ? T + 1 : 2) * B * H) : nullptr;
    }

    // How many numbers a tape has for each sequence.
    static Size tape_row(const Unrolling& net) {
        const Size H = whole_vectors(net.size);
        return net.length * sums * H + (net.length + 1) * H * states;
    }

    void forward() {
        float *bias = room.take(S), *table = nullptr, *read = nullptr,
              *recur = room.take(state_blocks * H * size);
        if (!net.ids) read = room.take(input_blocks * H * I);
        else if (tabled) table = room.take(input_blocks * H * I);
        pack_forward(bias, read, table, recur);
        copy_padded({net.hidden + from * size, size}, B, size, {hidden, H});
        if (Kind::remembers) copy_padded({net.memory + from * size, size}, B, size, {memory, H});
        for (Size t = 0, s = 0; t < T; ++t) {
            const OutRows a{sums_at(t), S};
            read_inputs(t, bias, read, table, a);
            Size column = 0;
            each_run(Kind::of_state, [&](Run run) {
                const OutRows part = a.from(0, run.sum * H);
                multiply({hidden_at(t), H}, B, size, recur + column * size, run.count * H, part,
                         part);
                column += run.count * H;
            });
            for (Size b = 0; b < B; ++b) {
                const float *before = hidden_at(t) + b * H,
                            *cell = Kind::remembers ? memory_at(t) + b * H : nullptr;
                float *after = hidden_at(t + 1) + b * H,
                      *cell_after = Kind::remembers ? memory_at(t + 1) + b * H : nullptr;
                if (net.real(member, net.first + b, t))
                    Kind::step(H, a.row(b), before, after, cell, cell_after);
                else {
                    std::memcpy(after, before, H * sizeof(float));
                    if (Kind::remembers) std::memcpy(cell_after, cell, H * sizeof(float));
                }
            }
            if (net.states && s < net.wanted && net.steps[s] == t)
                copy({hidden_at(t + 1), H}, B, size,
                     {net.states + (from * net.wanted + s++) * size, net.wanted * size});
        }
        if (net.last_hidden) copy({hidden_at(T), H}, B, size, {net.last_hidden + from * size, size});
        if (Kind::remembers && net.last_memory)
            copy({memory_at(T), H}, B, size, {net.last_memory + from * size, size});
    }

    // The backward pass from the gradients of the states that were returned.
    void backward() {
        const Size ages = net.ages_above;
        back_from([&](Size s, Size age, OutRows of_hidden) {
            if (!net.of_states || age >= ages) return;
            const float* rows = net.of_states
                + (((member * ages + age) * net.batch + net.first) * net.wanted + s) * size;
            for (Size b = 0; b < B; ++b)
                for (Size j = 0; j < size; ++j)
                    of_hidden.row(b)[j] += rows[b * net.wanted * size + j];
        });
    }

    // Readout and loss at the wanted steps, and the backward pass from the loss.
    void learn(const Answer& answer) {
        const Size O = whole_vectors(answer.classes);
        Answering answering(answer, member, net.batch, net.wanted, size, room);
        float* logits = room.take(net.wanted * B * O);
        for (Size s = 0; s < net.wanted; ++s) {
            const OutRows y{logits + s * B * O, O};
            answering.read({hidden_at(net.steps[s] + 1), H}, B, y);
            answering.judge(net.first, B, s, y, {nullptr, 0});
        }
        net.each_wanted_run([&](Size s, Size count) {
            answering.learn({logits + s * B * O, B * O, O},
                            {hidden_at(net.steps[s] + 1), B * H, H}, count, B);
        });
        answering.finish();
        back_from([&](Size s, Size age, OutRows of_hidden) {
            if (!age) answering.read_back({logits + s * B * O, O}, B, of_hidden);
        });
    }

  private:
    static constexpr Size states = Kind::remembers ? 2 : 1;
    const Unrolling& net;
    const Size member, B, T, I, size, H, S, from;
    const bool kept;       // whether the activations of all steps are
    const float* numbers;
    const bool tabled;     // whether one-hot inputs read from a table of all symbols
    Room room;
    float *acts, *hidden, *memory;

    float* sums_at(Size t) const { return acts + (kept ? t : 0) * B * S; }
    float* hidden_at(Size t) const { return hidden + (kept ? t : t % 2) * B * H; }
    float* memory_at(Size t) const { return memory + (kept ? t : t % 2) * B * H; }
    Size ages() const { return net.horizon ? net.horizon : 1; }

    Size weights_room(Operation operation) const {
        const Size forward = S + state_blocks * H * size + input_blocks * H * whole_vectors(I);
        if (operation == FORWARD) return forward;
        const Size backward = ages() * B * H * states + 2 * B * S + S
            + H * state_blocks * H + whole_vectors(I) * input_blocks * H + B * whole_vectors(I)
            + whole_rows(size) * state_blocks * H + whole_rows(I) * input_blocks * H
            + Outer::room(std::max(size, net.ids ? 0 : I));
        return forward + backward;
    }

    void pack_forward(float* bias, float* read, float* table, float* recur) const {
        const float *input_weight = net.input_weight + member * input_blocks * size * I,
                    *state_weight = net.state_weight + member * state_blocks * size * size,
                    *own_bias = net.bias + member * sums * size;
        copy_padded({own_bias, size}, sums, size, {bias, H});
        each_run(Kind::of_state, [&](Run run) {
            pack(size, run.count * H, 1, row_source(state_weight + run.block * size * size, size),
                 recur);
            recur += run.count * H * size;
        });
        if (read)
            each_run(Kind::of_input, [&](Run run) {
                pack(I, run.count * H, 1, row_source(input_weight + run.block * size * I, I), read);
                read += run.count * H * I;
            });
        if (table)
            for (Size p = 0; p < input_blocks; ++p)
                for (Size j = 0; j < H; ++j)
                    for (Size i = 0; i < I; ++i)
                        table[(i * input_blocks + p) * H + j] =
                            j < size ? input_weight[(p * size + j) * I + i] : 0;
    }
    // Rows of weights as columns: block by block, padded to whole vectors.
    auto row_source(const float* weight, Size columns) const {
        return [=](Size c) {
            return c % H < size ? weight + (c / H * size + c % H) * columns : nullptr;
        };
    }

    // The sums of step t without the state's part.
    void read_inputs(Size t, const float* bias, const float* read, const float* table,
                     OutRows a) const {
        if (!net.ids) {
            bool covered[sums] = {};
            Size column = 0;
            each_run(Kind::of_input, [&](Run run) {
                multiply({numbers + (from * T + t) * I, T * I}, B, I, read + column * I,
                         run.count * H, {bias + run.sum * H, 0}, a.from(0, run.sum * H));
                column += run.count * H;
                for (Size g = 0; g < run.count; ++g) covered[run.sum + g] = true;
            });
            for (Size g = 0; g < sums; ++g)
                if (!covered[g])
                    for (Size b = 0; b < B; ++b)
                        std::memcpy(a.row(b) + g * H, bias + g * H, H * sizeof(float));
            return;
        }
        for (Size b = 0; b < B; ++b) {
            std::memcpy(a.row(b), bias, S * sizeof(float));
            const int64_t id = net.ids[(from + b) * T + t];
            for (Size p = 0; p < input_blocks; ++p) {
                float* to = a.row(b) + Kind::of_input[p] * H;
                if (table) add(to, table + (id * input_blocks + p) * H, H);
                else
                    for (Size j = 0; j < size; ++j)
                        to[j] += net.input_weight[((member * input_blocks + p) * size + j) * I + id];
            }
        }
    }

    // The backward pass; `reach(s, age, of_hidden)` adds the gradient of the s-th wanted state.
    //
    // With a horizon k there are k gradients of the state, of outputs from 0 to k-1 steps later:
    // those of age a at step t are in slot (t + a) % k, so that no gradient moves.
    template <class Reach> void back_from(Reach reach) {
        const Size D = ages(), below = net.ages_below;
        float *of_hidden = room.take(D * B * H),
              *of_memory = Kind::remembers ? room.take(D * B * H) : nullptr,
              *total = room.take(B * S), *one = room.take(B * S), *of_bias = room.take(S),
              *recur = room.take(H * state_blocks * H),
              *read = room.take(whole_vectors(I) * input_blocks * H),
              *of_input = room.take(B * whole_vectors(I));
        pack_backward(recur, read);
        std::fill(of_bias, of_bias + S, 0.0f);
        std::fill(of_hidden, of_hidden + D * B * H, 0.0f);
        if (Kind::remembers) std::fill(of_memory, of_memory + D * B * H, 0.0f);
        Size s = net.wanted - 1;
        for (Size t = T - 1; t >= 0; --t) {
            const bool reached = s >= 0 && net.steps[s] == t;
            float* acts = sums_at(t);
            for (Size age = 0; age < D; ++age) {
                const Size slot = (t + age) % D;
                const OutRows grad{of_hidden + slot * B * H, H},
                    memory_grad{of_memory + slot * B * H, H};
                if (net.horizon && !age) {
                    std::fill(grad.at, grad.at + B * H, 0.0f);
                    if (Kind::remembers) std::fill(memory_grad.at, memory_grad.at + B * H, 0.0f);
                }
                if (reached) reach(s, age, grad);
                if (!age) add_last(t, grad, memory_grad);
                float* sums_grad = D == 1 ? acts : age ? one : total;
                for (Size b = 0; b < B; ++b) {
                    if (net.real(member, net.first + b, t))
                        back_row(t, b, acts + b * S, sums_grad + b * S, grad, memory_grad);
                    else std::fill(sums_grad + b * S, sums_grad + (b + 1) * S, 0.0f);
                }
                const bool dropped = net.horizon && age == D - 1 && t;
                if (!dropped) {
                    Size row = 0;
                    each_run(Kind::of_state, [&](Run run) {
                        multiply({sums_grad + run.sum * H, S}, B, run.count * H, recur + row * H,
                                 H, grad, grad);
                        row += run.count * H;
                    });
                }
                if (net.of_inputs && below > 1)
                    write_inputs(t, age, sums_grad, read, of_input);
                if (D > 1 && age) add(total, one, B * S);
            }
            if (D > 1) std::memcpy(acts, total, B * S * sizeof(float));
            if (net.of_inputs && below == 1) write_inputs(t, 0, acts, read, of_input);
            for (Size b = 0; b < B; ++b) add(of_bias, acts + b * S, S);
            if (reached) --s;
        }
        for (Size age = 1; age < D; ++age) {
            add(of_hidden, of_hidden + age * B * H, B * H);
            if (Kind::remembers) add(of_memory, of_memory + age * B * H, B * H);
        }
        add_empty(of_hidden, of_memory);
        if (net.of_hidden) copy({of_hidden, H}, B, size, {net.of_hidden + from * size, size});
        if (Kind::remembers && net.of_memory)
            copy({of_memory, H}, B, size, {net.of_memory + from * size, size});
        for (Size g = 0; g < sums; ++g)
            for (Size j = 0; j < size; ++j)
                net.of_bias[(member * sums + g) * size + j] += of_bias[g * H + j];
        weight_gradients();
    }

    void pack_backward(float* recur, float* read) const {
        const float *input_weight = net.input_weight + member * input_blocks * size * I,
                    *state_weight = net.state_weight + member * state_blocks * size * size;
        const auto pack_rows = [&](Run run, const float* weight, Size columns, float*& to) {
            // The rows of a block are padded to whole vectors, as the sums are.
            const Size depth = run.count * H, width = whole_vectors(columns);
            for (Size c = 0; c < width; c += BLOCK) {
                const Size block = std::min(BLOCK, width - c);
                for (Size k = 0; k < depth; ++k, to += block) {
                    const Size row = (run.block + k / H) * size + k % H,
                               count = std::min(block, columns - c);
                    std::fill(to, to + block, 0.0f);
                    if (k % H < size)
                        std::memcpy(to, weight + row * columns + c, count * sizeof(float));
                }
            }
        };
        each_run(Kind::of_state, [&](Run run) { pack_rows(run, state_weight, size, recur); });
        if (net.of_inputs)
            each_run(Kind::of_input, [&](Run run) { pack_rows(run, input_weight, I, read); });
    }

    void back_row(Size t, Size b, const float* acts, float* of_sums, OutRows grad,
                  OutRows memory_grad) const {
        const Size at = b * H;
        const float *cell = Kind::remembers ? memory_at(t) + at : nullptr,
                    *cell_after = Kind::remembers ? memory_at(t + 1) + at : nullptr;
        Kind::back(H, acts, of_sums, hidden_at(t) + at, hidden_at(t + 1) + at, cell, cell_after,
                   grad.row(b), Kind::remembers ? memory_grad.row(b) : nullptr);
    }

    // Add the gradient of the final state at each row's last real step, or of a row without one to
    // that of the initial state.
    void add_last(Size t, OutRows grad, OutRows memory_grad) const {
        for (Size b = 0; b < B; ++b)
            if (net.last(member, net.first + b, t)) add_last_row(b, grad, memory_grad);
    }
    void add_empty(float* of_hidden, float* of_memory) const {
        for (Size b = 0; net.mask && b < B; ++b)
            if (!net.real(member, net.first + b, 0))
                add_last_row(b, {of_hidden, H}, {of_memory, H});
    }
    void add_last_row(Size b, OutRows grad, OutRows memory_grad) const {
        const Size at = (from + b) * size;
        for (Size j = 0; net.of_last_hidden && j < size; ++j)
            grad.row(b)[j] += net.of_last_hidden[at + j];
        for (Size j = 0; Kind::remembers && net.of_last_memory && j < size; ++j)
            memory_grad.row(b)[j] += net.of_last_memory[at + j];
    }

    void write_inputs(Size t, Size age, const float* of_sums, const float* read,
                      float* of_input) const {
        const Size width = whole_vectors(I);
        const OutRows rows{of_input, width};
        std::fill(of_input, of_input + B * width, 0.0f);
        Size row = 0;
        each_run(Kind::of_input, [&](Run run) {
            multiply({of_sums + run.sum * H, S}, B, run.count * H, read + row * width, width, rows,
                     rows);
            row += run.count * H;
        });
        const Size place = (member * net.ages_below + age) * net.batch + net.first;
        copy(rows, B, I, {net.of_inputs + (place * T + t) * I, T * I});
    }

    void weight_gradients() {
        Outer outer(room.take(Outer::room(std::max(size, net.ids ? 0 : I))));
        float *of_state = room.take(whole_rows(size) * state_blocks * H),
              *of_input = room.take(whole_rows(I) * input_blocks * H);
        // of_state (size, blocks H) and of_input (I, blocks H) are added transposed.
        std::fill(of_state, of_state + whole_rows(size) * state_blocks * H, 0.0f);
        each_run(Kind::of_state, [&](Run run) {
            outer.add({hidden, B * H, H}, size, {acts + run.sum * H, B * S, S}, run.count * H, T, B,
                      {of_state + run.block * H, state_blocks * H});
        });
        add_transposed(of_state, state_blocks, size,
                       net.of_state_weight + member * state_blocks * size * size);
        float* to = net.of_input_weight + member * input_blocks * size * I;
        if (net.ids && !tabled) {
            for (Size t = 0; t < T; ++t)
                for (Size b = 0; b < B; ++b)
                    for (Size p = 0; p < input_blocks; ++p)
                        for (Size j = 0; j < size; ++j)
                            to[(p * size + j) * I + net.ids[(from + b) * T + t]] +=
                                sums_at(t)[b * S + Kind::of_input[p] * H + j];
            return;
        }
        std::fill(of_input, of_input + whole_rows(I) * input_blocks * H, 0.0f);
        if (net.ids)
            for (Size t = 0; t < T; ++t)
                for (Size b = 0; b < B; ++b)
                    for (Size p = 0; p < input_blocks; ++p)
                        add(of_input + (net.ids[(from + b) * T + t] * input_blocks + p) * H,
                            sums_at(t) + b * S + Kind::of_input[p] * H, H);
        else
            each_run(Kind::of_input, [&](Run run) {
                outer.add({numbers + from * T * I, I, T * I}, I, {acts + run.sum * H, B * S, S},
                          run.count * H, T, B, {of_input + run.block * H, input_blocks * H});
            });
        add_transposed(of_input, input_blocks, I, to);
    }

    // to (blocks size, columns) += from (columns, blocks H), transposed.
    void add_transposed(const float* from, Size blocks, Size columns, float* to) const {
        for (Size p = 0; p < blocks; ++p)
            for (Size j = 0; j < size; ++j)
                for (Size k = 0; k < columns; ++k)
                    to[(p * size + j) * columns + k] += from[(k * blocks + p) * H + j];
    }
};

template <class Kind>
void run(Operation operation, const Unrolling& net, const Answer* answer, Size member) {
    Pass<Kind> pass(net, member, answer ? answer->classes : 0, operation);
    if (operation != BACKWARD || !net.tape) pass.forward();
    if (operation == BACKWARD) pass.backward();
    if (operation == LEARN) pass.learn(*answer);
}

struct Entry {
    const char* name;
    Size sums, input_blocks, state_blocks, remembers;
    decltype(&run<std::tuple_element_t<0, Cells>>) run;
    Size (*tape_row)(const Unrolling&);
};
template <class... Kinds> std::array<Entry, sizeof...(Kinds)> entries(std::tuple<Kinds...>*) {
    return {Entry{Kinds::name, Kinds::sums, sizeof(Kinds::of_input) / sizeof(int),
                  sizeof(Kinds::of_state) / sizeof(int), Kinds::remembers, run<Kinds>,
                  Pass<Kinds>::tape_row}...};
}
const auto CELLS = entries(static_cast<Cells*>(nullptr));

}  // namespace

// The index of a cell, or -1.
extern "C" int rnnlab_scan_cell(const char* name) {
    for (size_t i = 0; i < CELLS.size(); ++i)
        if (!std::strcmp(CELLS[i].name, name)) return static_cast<int>(i);
    return -1;
}

// How many sums a cell has, blocks of weights of its input and its state, and memory cells.
extern "C" void rnnlab_scan_blocks(int cell, Size* to) {
    const Entry& entry = CELLS[cell];
    for (Size number : {entry.sums, entry.input_blocks, entry.state_blocks, entry.remembers})
        *to++ = number;
}

extern "C" Size rnnlab_scan_tape(int cell, const Unrolling* net) {
    return CELLS[cell].tape_row(*net);
}

extern "C" bool rnnlab_scan(int cell, int operation, const Unrolling* net, const Answer* answer,
                            Size first, Size last) {
    return in_memory([&] {
        for (Size member = first; member < last; ++member)
            if (operation == LEARN && learns_in_strips(*net, WIDTH))
                learn_scan_in_strips(cell, *net, *answer, member);
            else
                CELLS[cell].run(static_cast<Operation>(operation), *net, answer, member);
    });
}
