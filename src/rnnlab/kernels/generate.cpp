// Free running of layers of cells with a token readout: greedy, by chance, and beam search.
//
//     y_t = V h_t + d;  x_{t+1} = the answer to y_t, where one is asked for
//
// The product of the lowest layer's weights with each token's vector is computed once: a step reads
// its row. All rows of a batch take a step together.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "cells.h"
#include "matrices.h"
#include "memory.h"
#include "unrolling.h"

namespace {

constexpr float INFINITE = std::numeric_limits<float>::infinity();

// `_Layer` in generation.py. The weights of the lowest layer's input are `table` in `Net`.
struct Layer {
    Size cell, inputs, size;
    const float *input_weight;  // (P size, inputs)
    const float *state_weight;  // (Q size, size)
    const float *bias;          // (G size)
};

// `_Net` in generation.py.
struct Net {
    Size layers, tokens, classes;
    const float* table;  // (tokens, P size): W e of each token
    const float *weight, *bias;  // of the readout, (classes, size)
};

// `_Steps` in generation.py: some steps of a batch.
struct Steps {
    Size rows, length, steps, first;  // of the batch; the steps `first` to `first + steps`
    Size top_k;          // draw from so many tokens; 0 for all
    double temperature;  // 0 is greedy
    double top_p;        // draw from the likeliest that reach this probability; 0 for all
    const int64_t* inputs;            // (rows, length)
    const bool* mask;                 // (rows, length): where answers are asked for
    const float* noise;               // (steps, rows, classes): exponential numbers, or null
    float* outputs;                   // (steps, rows, classes)
    int64_t* answers;                 // (steps, rows)
};

// `_Search` in generation.py: a beam search.
struct Search {
    Size rows, length, width, end;  // `end` is the end-of-sequence token, or -1
    const int64_t* inputs;          // (rows, length)
    const bool* mask;               // (rows, length)
    int64_t* answers;               // (rows, length)
    float* scores;                  // (rows)
};

using Buffer = std::vector<float>;

// A buffer's first whole vector; new numbers are 0.
inline float* aligned(Buffer& buffer, Size floats) {
    buffer.resize(floats + WIDTH);
    const auto at = reinterpret_cast<std::uintptr_t>(buffer.data());
    const std::uintptr_t line = WIDTH * sizeof(float);
    return reinterpret_cast<float*>((at + line - 1) / line * line);
}

// N blocks of columns of out = start + x packed, for one row: enough sums at once to hide the
// latency of an addition, which `tile` does with several rows.
template <int N>
inline void row_blocks(const float* x, Size depth, const float* packed, const float* start,
                       float* out) {
    Vec total[N][2];
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < 2; ++c) total[n][c] = load(start + n * BLOCK + c * WIDTH);
    for (Size k = 0; k < depth; ++k) {
        const Vec number = all(x[k]);
        for (int n = 0; n < N; ++n)
            for (int c = 0; c < 2; ++c)
                total[n][c] += number * load(packed + (n * depth + k) * BLOCK + c * WIDTH);
    }
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < 2; ++c) store(out + n * BLOCK + c * WIDTH, total[n][c]);
}

inline void times(Rows left, Size rows, Size depth, const float* packed, Size columns, Rows start,
                  OutRows out) {
    Size c = 0;
    if (rows == 1)
        for (; c + 4 * BLOCK <= columns; c += 4 * BLOCK)
            row_blocks<4>(left.at, depth, packed + c * depth, start.at + c, out.at + c);
    if (c < columns)
        multiply(left, rows, depth, packed + c * depth, columns - c, start.from(0, c),
                 out.from(0, c));
}

// A layer with packed weights, and the states of all rows. Its sums are padded to whole vectors.
class AnyLayer {
  public:
    virtual ~AnyLayer() = default;
    // Take a step; `below` are the states of the layer below, or null: then `table` has a row of
    // sums for each token, which `tokens` chooses.
    virtual void step(Rows below, const int64_t* tokens) = 0;
    // Copy the state of row `parents[r]` to row r.
    virtual void reorder(const std::vector<Size>& parents) = 0;
    virtual void begin(Size rows, const float* hidden, const float* memory) = 0;
    Size size, H;
    float* hidden = nullptr;
};

template <class Kind> class PackedLayer final : public AnyLayer {
    static constexpr Size input_blocks = std::size(Kind::of_input),
                          state_blocks = std::size(Kind::of_state);

  public:
    PackedLayer(const Layer& layer, const Net* lowest) : inputs(layer.inputs) {
        size = layer.size;
        H = whole_vectors(size);
        S = Kind::sums * H;
        bias = aligned(held_bias, S);
        for (Size g = 0; g < Kind::sums; ++g)
            std::memcpy(bias + g * H, layer.bias + g * size, size * sizeof(float));
        state_weight = packed(held_state, layer.state_weight, state_blocks, size);
        if (lowest) fill_table(*lowest);
        else input_weight = packed(held_input, layer.input_weight, input_blocks, inputs);
    }

    void begin(Size count, const float* from_hidden, const float* from_memory) override {
        rows = count;
        hidden = aligned(held_hidden, rows * H);
        memory = aligned(held_memory, Kind::remembers ? rows * H : 0);
        sums = aligned(held_sums, rows * S);
        copy_padded({from_hidden, size}, rows, size, {hidden, H});
        if (Kind::remembers) copy_padded({from_memory, size}, rows, size, {memory, H});
    }

    void step(Rows below, const int64_t* tokens) override {
        if (tokens)
            for (Size r = 0; r < rows; ++r)
                std::memcpy(sums + r * S, table + tokens[r] * S, S * sizeof(float));
        else
            for (Size r = 0; r < rows; ++r) std::memcpy(sums + r * S, bias, S * sizeof(float));
        if (!tokens) add<input_blocks>(Kind::of_input, below, inputs, input_weight);
        add<state_blocks>(Kind::of_state, {hidden, H}, size, state_weight);
        for (Size r = 0; r < rows; ++r)
            Kind::step(H, sums + r * S, hidden + r * H, hidden + r * H, memory + r * H,
                       memory + r * H);
    }

    void reorder(const std::vector<Size>& parents) override {
        reorder(parents, held_hidden, hidden);
        if (Kind::remembers) reorder(parents, held_memory, memory);
    }

  private:
    Size inputs, S, rows = 0;
    Buffer held_bias, held_state, held_input, held_table, held_hidden, held_memory, held_sums,
        spare;
    float *bias, *state_weight, *input_weight = nullptr, *table = nullptr, *memory = nullptr,
                                *sums = nullptr;

    // Pack weights (blocks size, depth) for products with rows of states; blocks are padded to H.
    float* packed(Buffer& buffer, const float* weight, Size blocks, Size depth) const {
        float* to = aligned(buffer, depth * blocks * H);
        pack(depth, blocks * H, 1, [&](Size column) {
            const Size block = column / H, j = column % H;
            return j < size ? weight + (block * size + j) * depth : nullptr;
        }, to);
        return to;
    }

    void fill_table(const Net& net) {
        table = aligned(held_table, net.tokens * S);
        for (Size v = 0; v < net.tokens; ++v) {
            float* row = table + v * S;
            std::memcpy(row, bias, S * sizeof(float));
            for (Size p = 0; p < input_blocks; ++p)
                for (Size j = 0; j < size; ++j)
                    row[Kind::of_input[p] * H + j] += net.table[(v * input_blocks + p) * size + j];
        }
    }

    template <Size blocks>
    void add(const int (&sum_of)[blocks], Rows left, Size depth, const float* weight) {
        each_run(sum_of, [&](Run run) {
            const OutRows out{sums + run.sum * H, S};
            times(left, rows, depth, weight + run.block * H * depth, run.count * H, out, out);
        });
    }

    void reorder(const std::vector<Size>& parents, Buffer& held, float*& states) {
        float* to = aligned(spare, rows * H);
        for (Size r = 0; r < rows; ++r)
            std::memcpy(to + r * H, states + parents[r] * H, H * sizeof(float));
        std::swap(spare, held);
        states = to;
    }
};

template <class Kind>
std::unique_ptr<AnyLayer> make(const Layer& layer, const Net* lowest) {
    return std::make_unique<PackedLayer<Kind>>(layer, lowest);
}

template <class... Kinds>
std::unique_ptr<AnyLayer> make(std::tuple<Kinds...>*, const Layer& layer, const Net* lowest) {
    constexpr std::unique_ptr<AnyLayer> (*makers[])(const Layer&, const Net*) = {make<Kinds>...};
    return makers[layer.cell](layer, lowest);
}

class Runner {
  public:
    Runner(const Net& net, const Layer* layer) : classes(net.classes), C(whole_vectors(classes)) {
        for (Size n = 0; n < net.layers; ++n)
            layers.push_back(make(static_cast<Cells*>(nullptr), layer[n], n ? nullptr : &net));
        const Size depth = layers.back()->size;
        weight = aligned(held_weight, depth * C);
        pack(depth, C, 1, [&](Size column) {
            return column < classes ? net.weight + column * depth : nullptr;
        }, weight);
        bias = aligned(held_bias, C);
        std::memcpy(bias, net.bias, classes * sizeof(float));
        odds = aligned(held_odds, C);
    }

    void begin(Size count, const float* const* hidden, const float* const* memory) {
        rows = count;
        logits = aligned(held_logits, rows * C);
        tokens.resize(rows);
        for (size_t n = 0; n < layers.size(); ++n) layers[n]->begin(rows, hidden[n], memory[n]);
    }

    // Run some steps; return false where a token should be drawn from logits of NaN or infinity.
    bool run(const Steps& run) {
        for (Size s = 0; s < run.steps; ++s) {
            const Size t = run.first + s;
            for (Size r = 0; r < rows; ++r) {
                const Size at = r * run.length + t;
                const bool fed = t && run.mask[at - 1];
                if (!fed) tokens[r] = run.inputs[at];  // else it is the last answer
            }
            step();
            int64_t* answers = run.answers + s * rows;
            for (Size r = 0; r < rows; ++r) {
                const float* y = logits + r * C;
                std::memcpy(run.outputs + (s * rows + r) * classes, y, classes * sizeof(float));
                answers[r] = run.temperature > 0
                                 ? draw(y, run, run.noise + (s * rows + r) * classes)
                                 : likeliest(y);
                if (answers[r] < 0) return false;
                tokens[r] = answers[r];
            }
        }
        return true;
    }

    // All rows have `width` beams, one after the other; all begin in the same state.
    void search(const Search& search) {
        const Size W = search.width, B = search.rows, T = search.length;
        std::vector<float> scores(rows, -INFINITE), log_probs(classes);
        std::vector<char> ended(rows, 0), was_ended;
        std::vector<Size> parents(rows);
        std::vector<int64_t> chosen(T * rows);
        std::vector<Size> come_from(T * rows);
        std::vector<Candidate> best;
        for (Size b = 0; b < B; ++b) scores[b * W] = 0;  // all beams begin equal: one counts
        for (Size t = 0; t < T; ++t) {
            for (Size r = 0; r < rows; ++r) {
                const Size at = r / W * T + t;
                if (!t || !search.mask[at - 1]) tokens[r] = search.inputs[at];
            }
            step();
            for (Size b = 0; b < B; ++b) {
                best.clear();
                for (Size r = b * W; r < (b + 1) * W; ++r) {
                    if (search.mask[b * T + t] && !ended[r]) {
                        log_softmax(logits + r * C, log_probs.data());
                        for (Size v = 0; v < classes; ++v)
                            offer(best, W, {scores[r] + log_probs[v], r, v});
                    } else {  // one continuation, of probability 1
                        offer(best, W, {scores[r], r, search.end < 0 ? 0 : search.end});
                    }
                }
                while (static_cast<Size>(best.size()) < W)  // fewer tokens than beams
                    best.push_back({-INFINITE, b * W, 0});
                for (Size n = 0; n < W; ++n) {
                    const Size r = b * W + n;
                    parents[r] = best[n].parent;
                    tokens[r] = chosen[t * rows + r] = best[n].token;
                    come_from[t * rows + r] = best[n].parent;
                }
                for (Size n = 0; n < W; ++n) scores[b * W + n] = best[n].score;
            }
            was_ended = ended;
            for (Size r = 0; r < rows; ++r) {
                ended[r] = was_ended[parents[r]] ||
                           (search.mask[r / W * T + t] && tokens[r] == search.end);
            }
            for (auto& layer : layers) layer->reorder(parents);
        }
        for (Size b = 0; b < B; ++b) {
            search.scores[b] = scores[b * W];
            for (Size t = T - 1, r = b * W; t >= 0; --t) {
                search.answers[b * T + t] = chosen[t * rows + r];
                r = come_from[t * rows + r];
            }
        }
    }

  private:
    struct Candidate {
        float score;
        Size parent;
        int64_t token;
    };

    std::vector<std::unique_ptr<AnyLayer>> layers;
    Size classes, C, rows = 0;
    Buffer held_weight, held_bias, held_logits, held_odds;
    float *weight, *bias, *logits = nullptr, *odds;
    std::vector<float> sorted;
    std::vector<Size> order;
    std::vector<int64_t> tokens;

    void step() {
        Rows below{nullptr, 0};
        for (size_t n = 0; n < layers.size(); ++n) {
            layers[n]->step(below, n ? nullptr : tokens.data());
            below = {layers[n]->hidden, layers[n]->H};
        }
        times(below, rows, layers.back()->size, weight, C, {bias, 0}, {logits, C});
    }

    // Keep the `most` best candidates, best first; of equal ones those that came first.
    static void offer(std::vector<Candidate>& best, Size most, Candidate one) {
        if (static_cast<Size>(best.size()) == most && !(one.score > best.back().score)) return;
        if (static_cast<Size>(best.size()) == most) best.pop_back();
        size_t at = best.size();
        while (at && one.score > best[at - 1].score) --at;
        best.insert(best.begin() + at, one);
    }

    // The first NaN, as in torch, or the first of the largest.
    int64_t likeliest(const float* y) const {
        Size best = 0;
        for (Size v = 0; v < classes; ++v) {
            if (std::isnan(y[v])) return v;
            if (y[v] > y[best]) best = v;
        }
        return best;
    }

    float largest(const float* y) const {
        float most = -INFINITE;
        for (Size v = 0; v < classes; ++v) most = y[v] > most ? y[v] : most;
        return most;
    }

    // A token from softmax(y / temperature), truncated: argmax p / q with exponential numbers q.
    int64_t draw(const float* y, const Steps& by, const float* noise) {
        for (Size v = 0; v < classes; ++v)
            if (!(y[v] < INFINITE)) return -1;
        const float most = largest(y), temperature = static_cast<float>(by.temperature);
        for (Size v = 0; v < classes; v += WIDTH)
            store(odds + v, exponential((load(y + v) - most) / temperature));
        if (by.top_k && by.top_k < classes) keep_likeliest(y, by.top_k);
        if (by.top_p > 0) keep_nucleus(by.top_p);
        Size best = 0;
        for (Size v = 0; v < classes; ++v) {
            odds[v] /= noise[v];
            if (odds[v] > odds[best]) best = v;
        }
        return best;
    }

    // Keep the tokens that are no less likely than the count-th one.
    void keep_likeliest(const float* y, Size count) {
        sorted.assign(y, y + classes);
        std::nth_element(sorted.begin(), sorted.begin() + (count - 1), sorted.end(),
                         std::greater<float>());
        for (Size v = 0; v < classes; ++v)
            if (y[v] < sorted[count - 1]) odds[v] = 0;
    }

    // Keep the fewest likeliest tokens that together reach a share of the probability.
    void keep_nucleus(double share) {
        order.resize(classes);
        float total = 0;
        for (Size v = 0; v < classes; ++v) order[v] = v, total += odds[v];
        std::stable_sort(order.begin(), order.end(),
                         [&](Size a, Size b) { return odds[a] > odds[b]; });
        double before = 0;
        for (const Size v : order) {
            const float probability = odds[v] / total;
            if (!(static_cast<float>(before) < static_cast<float>(share))) odds[v] = 0;
            before += probability;
        }
    }

    void log_softmax(const float* y, float* to) const {
        const float most = largest(y);
        float total = 0;
        for (Size v = 0; v < classes; v += WIDTH) {
            const Vec p = exponential(load(y + v) - most);
            for (Size n = 0; n < std::min<Size>(WIDTH, classes - v); ++n) total += p[n];
        }
        const float log_total = most + std::log(total);
        for (Size v = 0; v < classes; ++v) to[v] = y[v] - log_total;
    }
};

}  // namespace

extern "C" Runner* rnnlab_generation(const Net* net, const Layer* layers) {
    Runner* made = nullptr;
    in_memory([&] { made = new Runner(*net, layers); });
    return made;
}

extern "C" void rnnlab_generation_end(Runner* runner) { delete runner; }

extern "C" bool rnnlab_generation_begin(Runner* runner, Size rows, const float* const* hidden,
                                        const float* const* memory) {
    return in_memory([&] { runner->begin(rows, hidden, memory); });
}

// 0 if memory runs out, 1 if logits to draw from are NaN or infinite, else 2.
extern "C" Size rnnlab_generation_run(Runner* runner, const Steps* steps) {
    bool finite = true;
    return in_memory([&] { finite = runner->run(*steps); }) ? (finite ? 2 : 1) : 0;
}

extern "C" bool rnnlab_generation_search(Runner* runner, const Search* search) {
    return in_memory([&] { runner->search(*search); });
}
