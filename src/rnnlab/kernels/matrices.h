// Matrix products of a few rows with weights that stay in the cache.
//
// The right factor is packed once a call: its columns lie in blocks of two vectors, a block's rows
// one after another. A tile of the result, ROWS by two vectors, stays in registers. Rows of
// results are padded to whole vectors; rows of the left factor are not.

#pragma once

#include <algorithm>
#include <cstring>

#include "vectors.h"

#if defined(__AVX__) && !defined(__AVX512F__)
constexpr int ROWS = 4;  // of a tile: there are 16 registers
#else
constexpr int ROWS = 8;
#endif
constexpr Size BLOCK = 2 * WIDTH;

inline Size whole_vectors(Size count) { return (count + WIDTH - 1) / WIDTH * WIDTH; }
inline Size whole_rows(Size count) { return (count + ROWS - 1) / ROWS * ROWS; }

// Rows of numbers in memory, `step` numbers apart. A step of 0 repeats one row.
struct Rows {
    const float* at;
    Size step;
    const float* row(Size r) const { return at + r * step; }
    Rows from(Size r, Size column) const { return {at + r * step + column, step}; }
};
struct OutRows {
    float* at;
    Size step;
    float* row(Size r) const { return at + r * step; }
    operator Rows() const { return {at, step}; }
    OutRows from(Size r, Size column) const { return {at + r * step + column, step}; }
};

// Pack a right factor (depth, columns) of which `source(column)` gives the number in row 0, those
// in later rows being `step` numbers apart, or null for a column of zeros.
template <class Source>
void pack(Size depth, Size columns, Size step, Source source, float* to) {
    for (Size first = 0; first < columns; first += BLOCK) {
        const Size width = std::min(BLOCK, columns - first);
        for (Size c = 0; c < width; ++c) {
            const float* from = source(first + c);
            if (from) for (Size k = 0; k < depth; ++k) to[k * width + c] = from[k * step];
            else for (Size k = 0; k < depth; ++k) to[k * width + c] = 0;
        }
        to += depth * width;
    }
}

// R by C vectors of out = start + left packed.
template <int R, int C>
inline void tile(Rows left, Size depth, const float* packed, Rows start, OutRows out) {
    Vec total[R][C];
    for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) total[r][c] = load(start.row(r) + c * WIDTH);
    for (Size k = 0; k < depth; ++k, packed += C * WIDTH) {
        Vec right[C];
        for (int c = 0; c < C; ++c) right[c] = load(packed + c * WIDTH);
        for (int r = 0; r < R; ++r) {
            const Vec x = all(left.row(r)[k]);
            for (int c = 0; c < C; ++c) total[r][c] += x * right[c];
        }
    }
    for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) store(out.row(r) + c * WIDTH, total[r][c]);
}

template <int R, int C>
inline void column_block(Rows left, Size rows, Size depth, const float* packed, Rows start,
                         OutRows out) {
    Size r = 0;
    for (; r + R <= rows; r += R)
        tile<R, C>(left.from(r, 0), depth, packed, start.from(r, 0), out.from(r, 0));
    if constexpr (R > 1)
        if (r < rows)
            column_block<R / 2, C>(left.from(r, 0), rows - r, depth, packed, start.from(r, 0),
                                   out.from(r, 0));
}

// out (rows, columns) = start + left (rows, depth) packed (depth, columns).
inline void multiply(Rows left, Size rows, Size depth, const float* packed, Size columns,
                     Rows start, OutRows out) {
    for (Size c = 0; c < columns; c += BLOCK) {
        if (columns - c >= BLOCK)
            column_block<ROWS, 2>(left, rows, depth, packed + c * depth, start.from(0, c),
                                  out.from(0, c));
        else
            column_block<ROWS, 1>(left, rows, depth, packed + c * depth, start.from(0, c),
                                  out.from(0, c));
    }
}

// Rows (steps, batch) of numbers in memory.
struct Grid {
    const float* at;
    Size step, row;
};

// The gradient of a matrix from many rows: grad (left columns, right columns) += left^T right.
//
// Rows are copied in groups of AT_ONCE to where a tile reads them in order.
class Outer {
    static constexpr Size AT_ONCE = 192;

  public:
    static Size room(Size columns) { return AT_ONCE * (whole_rows(columns) + BLOCK); }

    // `room` holds `Outer::room(columns)` numbers, for the most columns of a left factor.
    explicit Outer(float* room) : packed_right(room), packed_left(room + AT_ONCE * BLOCK) {}

    // The rows of grad are padded to `whole_rows`, its columns to whole vectors.
    void add(Grid left, Size left_columns, Grid right, Size right_columns, Size steps, Size batch,
             OutRows grad) {
        const Size total = steps * batch;
        for (Size first = 0; first < total; first += AT_ONCE) {
            const Size rows = std::min(AT_ONCE, total - first);
            copy_left(left, left_columns, first, rows, batch);
            for (Size c = 0; c < right_columns; c += BLOCK) {
                if (right_columns - c >= BLOCK)
                    block<2>({right.at + c, right.step, right.row}, first, rows, batch,
                             left_columns, grad.from(0, c));
                else
                    block<1>({right.at + c, right.step, right.row}, first, rows, batch,
                             left_columns, grad.from(0, c));
            }
        }
    }

  private:
    float *packed_right, *packed_left;

    // Call `work(row, numbers)` with rows first to first + count.
    template <class Work>
    static void each(Grid grid, Size first, Size count, Size batch, Work work) {
        Size t = first / batch, b = first % batch;
        for (Size r = 0; r < count; ++r) {
            work(r, grid.at + t * grid.step + b * grid.row);
            if (++b == batch) b = 0, ++t;
        }
    }

    void copy_left(Grid left, Size columns, Size first, Size rows, Size batch) {
        each(left, first, rows, batch, [&](Size r, const float* from) {
            float* to = packed_left + r * ROWS;
            Size k = 0;
            for (; k + ROWS <= columns; k += ROWS, to += rows * ROWS)
                std::memcpy(to, from + k, ROWS * sizeof(float));
            if (k < columns)
                for (int i = 0; i < ROWS; ++i) to[i] = k + i < columns ? from[k + i] : 0;
        });
    }

    template <int C>
    void block(Grid right, Size first, Size rows, Size batch, Size left_columns, OutRows grad) {
        each(right, first, rows, batch, [&](Size r, const float* from) {
            for (int c = 0; c < C; ++c)
                store(packed_right + (r * C + c) * WIDTH, load(from + c * WIDTH));
        });
        for (Size k = 0; k < left_columns; k += ROWS) {
            const OutRows out = grad.from(k, 0);
            // Column r of the left factor is row r here: its numbers are ROWS apart.
            Vec total[ROWS][C];
            for (int r = 0; r < ROWS; ++r)
                for (int c = 0; c < C; ++c) total[r][c] = load(out.row(r) + c * WIDTH);
            const float *x = packed_left + k * rows, *y = packed_right;
            for (Size b = 0; b < rows; ++b, x += ROWS, y += C * WIDTH) {
                Vec right[C];
                for (int c = 0; c < C; ++c) right[c] = load(y + c * WIDTH);
                for (int r = 0; r < ROWS; ++r)
                    for (int c = 0; c < C; ++c) total[r][c] += all(x[r]) * right[c];
            }
            for (int r = 0; r < ROWS; ++r)
                for (int c = 0; c < C; ++c) store(out.row(r) + c * WIDTH, total[r][c]);
        }
    }
};

// total (columns) += the sum of rows.
inline void sum_rows(Grid grid, Size columns, Size steps, Size batch, float* total) {
    for (Size t = 0; t < steps; ++t)
        for (Size b = 0; b < batch; ++b) {
            const float* row = grid.at + t * grid.step + b * grid.row;
            for (Size c = 0; c < columns; c += WIDTH)
                store(total + c, load(total + c) + load(row + c));
        }
}

// to += from, for a whole number of vectors.
inline void add(float* to, const float* from, Size numbers) {
    for (Size j = 0; j < numbers; j += WIDTH) store(to + j, load(to + j) + load(from + j));
}
