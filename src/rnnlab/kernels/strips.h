// Arithmetic on strips of a batch, for small networks.
//
// A panel has a row for each unit and a column for each sequence of a strip, so that vectors are
// full however few units there are. A strip has one or two SIMD vectors; its width is a
// compile-time constant, so that a tile of a matrix product stays in registers. The lanes after the
// last sequence are padding.

#pragma once

#include "answer.h"

constexpr int MOST_VECTORS = 2;  // in a strip

// A strip of V vectors: sequences first to first + count of a batch.
template <int V> struct Strip {
    static constexpr Size lanes = V * WIDTH;
    Size first, count;

    // Transpose (batch, size) to the panel `to` (size, lanes); `step` is between two sequences.
    void read(const float* rows, Size step, Size size, float* to) const {
        for (Size b = 0; b < count; ++b) {
            const float* row = rows + (first + b) * step;
            for (Size i = 0; i < size; ++i) to[i * lanes + b] = row[i];
        }
        if (count < lanes)
            for (Size i = 0; i < size; ++i)
                for (Size b = count; b < lanes; ++b) to[i * lanes + b] = 0;
    }

    // The same for one-hot rows, given by their indices.
    void read(const int64_t* ids, Size step, Size size, float* to) const {
        for (int v = 0; v < V; ++v) {
            Bits id;
            for (int lane = 0; lane < WIDTH; ++lane) {
                const Size b = v * WIDTH + lane;
                id[lane] = b < count ? static_cast<int32_t>(ids[(first + b) * step]) : -1;
            }
            for (Size i = 0; i < size; ++i) {
                const Bits same = id == static_cast<int32_t>(i);
                store(to + i * lanes + v * WIDTH, (Vec)(same & (Bits)all(1.0f)));
            }
        }
    }

    void write(const float* from, Size size, float* rows, Size step) const {
        for (Size b = 0; b < count; ++b) {
            float* row = rows + (first + b) * step;
            for (Size i = 0; i < size; ++i) row[i] = from[i * lanes + b];
        }
    }
};

// R rows of out = bias + weight panel, or of out += weight panel if bias is null.
template <int V, int R>
inline void product_rows(const float* weight, Size step, const float* panel, Size size,
                         const float* bias, float* out) {
    constexpr Size lanes = V * WIDTH;
    Vec total[R][V];
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v)
            total[r][v] = bias ? all(bias[r]) : load(out + r * lanes + v * WIDTH);
    for (Size k = 0; k < size; ++k) {
        Vec x[V];
        for (int v = 0; v < V; ++v) x[v] = load(panel + k * lanes + v * WIDTH);
        for (int r = 0; r < R; ++r) {
            const Vec w = all(weight[r * step + k]);
            for (int v = 0; v < V; ++v) total[r][v] += w * x[v];
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) store(out + r * lanes + v * WIDTH, total[r][v]);
}

template <int V, int R>
inline void product_tail(const float* weight, Size step, const float* panel, Size size,
                         const float* bias, float* out, Size rows) {
    for (; rows >= R; rows -= R) {
        product_rows<V, R>(weight, step, panel, size, bias, out);
        weight += R * step;
        out += R * V * WIDTH;
        if (bias) bias += R;
    }
    if constexpr (R > 1)
        if (rows) product_tail<V, R / 2>(weight, step, panel, size, bias, out, rows);
}

// out (rows) = bias + weight (rows, size) panel (size), or += if bias is null; `step` is between
// rows of weight.
template <int V>
void product(const float* weight, Size step, const float* panel, Size size, const float* bias,
             float* out, Size rows) {
    constexpr int most = V == 1 ? 16 : 8;
    product_tail<V, most>(weight, step, panel, size, bias, out, rows);
}

// Panels of successive time steps, `step` numbers apart.
struct Panels {
    const float* at;
    Size step;
    Panels row(Size r, Size lanes) const { return {at + r * lanes, step}; }
};

template <int V, int R, int C>
inline void outer_tile(Panels left, Panels right, Size steps, float* grad, Size grad_step) {
    constexpr Size lanes = V * WIDTH;
    Vec total[R][C] = {};
    const float *a = left.at, *z = right.at;
    for (Size t = 0; t < steps; ++t, a += left.step, z += right.step)
        for (int v = 0; v < V; ++v) {
            Vec x[R];
            for (int r = 0; r < R; ++r) x[r] = load(a + r * lanes + v * WIDTH);
            for (int c = 0; c < C; ++c) {
                const Vec y = load(z + c * lanes + v * WIDTH);
                for (int r = 0; r < R; ++r) total[r][c] += x[r] * y;
            }
        }
    for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) grad[r * grad_step + c] += sum(total[r][c]);
}

template <int V, int R, int C>
inline void outer_row(Panels left, Panels right, Size steps, float* grad, Size grad_step,
                      Size columns) {
    for (; columns >= C; columns -= C) {
        outer_tile<V, R, C>(left, right, steps, grad, grad_step);
        right = right.row(C, V * WIDTH);
        grad += C;
    }
    if constexpr (C > 1)
        if (columns) outer_row<V, R, C / 2>(left, right, steps, grad, grad_step, columns);
}

// grad (rows, columns) += left right^T over all steps and sequences.
template <int V, int R = 4>
void outer(Panels left, Panels right, Size steps, float* grad, Size grad_step, Size rows,
           Size columns) {
    for (; rows >= R; rows -= R) {
        outer_row<V, R, 6>(left, right, steps, grad, grad_step, columns);
        left = left.row(R, V * WIDTH);
        grad += R * grad_step;
    }
    if constexpr (R > 1)
        if (rows) outer<V, R / 2>(left, right, steps, grad, grad_step, rows, columns);
}

// grad (rows) += the sum of a panel over all steps and sequences.
template <int V> void total(Panels panels, Size steps, float* grad, Size rows) {
    for (Size r = 0; r < rows; ++r) {
        Vec result{};
        const float* at = panels.at + r * V * WIDTH;
        for (Size t = 0; t < steps; ++t, at += panels.step)
            for (int v = 0; v < V; ++v) result += load(at + v * WIDTH);
        grad[r] += sum(result);
    }
}

// to (columns, rows) = from (rows, columns).
inline void transpose(const float* from, Size step, Size rows, Size columns, float* to) {
    for (Size r = 0; r < rows; ++r)
        for (Size c = 0; c < columns; ++c) to[c * rows + r] = from[r * step + c];
}

// Call `work` with each strip of a batch.
template <class Work> void in_strips(Size batch, Work work) {
    for (Size first = 0; first < batch; first += MOST_VECTORS * WIDTH) {
        const Size count = batch - first;
        if (count <= WIDTH) work(Strip<1>{first, count});
        else work(Strip<2>{first, std::min<Size>(count, 2 * WIDTH)});
    }
}
