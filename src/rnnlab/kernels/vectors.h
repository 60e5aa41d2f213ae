// SIMD vectors as wide as the processor's, by the vector extension that GCC and Clang share, and
// activation functions on them, exact to a few units in the last place. NaN stays NaN.

#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

using Size = int64_t;
typedef float Vec __attribute__((vector_size(WIDTH * sizeof(float)), may_alias));
typedef int32_t Bits __attribute__((vector_size(WIDTH * sizeof(float)), may_alias));

inline Vec all(float value) { return value - Vec{}; }
inline Vec load(const float* at) { return *reinterpret_cast<const Vec*>(at); }
inline void store(float* at, Vec value) { *reinterpret_cast<Vec*>(at) = value; }

inline Vec load_any(const float* at) {  // not aligned
    Vec value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

inline float sum(Vec value) {
    float lanes[WIDTH];
    std::memcpy(lanes, &value, sizeof value);
    for (int half = WIDTH / 2; half; half /= 2)
        for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0];
}
// Transpose a square of vectors in place.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define RNNLAB_SHUFFLES
#endif
#endif
#ifdef RNNLAB_SHUFFLES
// Exchange the blocks of STEP numbers off the diagonal of two vectors.
template <int STEP, int... LANES>
inline void exchange(Vec& a, Vec& b, std::integer_sequence<int, LANES...>) {
    const Vec first = a;
    a = __builtin_shufflevector(first, b, (LANES & STEP ? WIDTH + LANES - STEP : LANES)...);
    b = __builtin_shufflevector(first, b, (LANES & STEP ? WIDTH + LANES : LANES + STEP)...);
}
template <int STEP = WIDTH / 2> inline void transpose_square(Vec* rows) {
    for (int r = 0; r < WIDTH; ++r)
        if (!(r & STEP))
            exchange<STEP>(rows[r], rows[r + STEP], std::make_integer_sequence<int, WIDTH>());
    if constexpr (STEP > 1) transpose_square<STEP / 2>(rows);
}
#else
inline void transpose_square(Vec* rows) {
    float* numbers = reinterpret_cast<float*>(rows);
    for (int r = 0; r < WIDTH; ++r)
        for (int c = 0; c < r; ++c) std::swap(numbers[r * WIDTH + c], numbers[c * WIDTH + r]);
}
#endif

// x = n ln 2 + rest with the nearest integer n; `scale` is 2^n. The rest of NaN is NaN.
struct Power {
    Vec scale, rest;
    explicit Power(Vec x) {
        const Vec magic = all(12582912.0f);  // 1.5 2^23: adding it rounds to an integer
        const Vec shifted = x * 1.44269504f + magic;
        const Vec n = shifted - magic;
        rest = x - n * 0.693359375f + n * 2.12194440e-4f;  // ln 2 in two parts
        const Bits exponent = (Bits)shifted - (Bits)magic + 127;
        scale = (Vec)(exponent << 23);
    }
    // e^rest - 1 by its Taylor series, with a relative error of 1e-9.
    Vec minus_one() const {
        Vec p = rest * (1.0f / 5040) + 1.0f / 720;
        p = p * rest + 1.0f / 120;
        p = p * rest + 1.0f / 24;
        p = p * rest + 1.0f / 6;
        p = p * rest + 0.5f;
        return p * rest * rest + rest;
    }
};

inline Vec exponential(Vec x) {
    x = x > 89.0f ? all(89.0f) : x;  // infinite from there
    x = x < -87.0f ? all(-87.0f) : x;
    const Power power(x);
    return (power.minus_one() + 1.0f) * power.scale;
}

// The logarithm of a positive number x = 2^n m: n ln 2 + 2 atanh((m - 1) / (m + 1)).
inline Vec logarithm(Vec x) {
    const Bits half = 0x3f3504f3 - Bits{};  // sqrt(1/2): the rest lies between it and its double
    const Bits power = ((Bits)x - half) >> 23;
    const Vec rest = (Vec)((Bits)x - (power << 23));
    const Vec s = (rest - 1.0f) / (rest + 1.0f), square = s * s;
    Vec p = square * (1.0f / 9) + 1.0f / 7;
    p = p * square + 1.0f / 5;
    p = p * square + 1.0f / 3;
    const Vec value =
        (p * square * s + s) * 2.0f + __builtin_convertvector(power, Vec) * 0.69314718f;
    return x < __builtin_inff() ? value : x;
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exponential(-x)); }

// tanh by e^(-2|x|) - 1, which keeps small values exact to the last digits.
inline Vec hyperbolic(Vec x) {
    const Bits sign = (Bits)x & INT32_MIN;
    Vec twice = (Vec)((Bits)x ^ sign) * -2.0f;
    twice = twice < -40.0f ? all(-40.0f) : twice;
    const Power power(twice);
    const Vec less = power.minus_one() * power.scale + (power.scale - 1.0f);
    return (Vec)((Bits)(-less / (less + 2.0f)) | sign);
}

enum Activation : int { TANH, SIGMOID, RELU };

template <Activation f> Vec activate(Vec x) {
    return f == TANH ? hyperbolic(x) : f == SIGMOID ? sigmoid(x) : x < 0.0f ? Vec{} : x;
}

// The derivative of f where f(x) = y.
template <Activation f> Vec slope(Vec y) {
    if (f == TANH) return 1.0f - y * y;
    if (f == SIGMOID) return y * (1.0f - y);
    return y > 0.0f ? all(1.0f) : Vec{};
}

// The same for a whole number of vectors: sums become f of them, and gradients of f those of sums.
template <Activation f> void activate(float* sums, Size numbers) {
    for (Size j = 0; j < numbers; j += WIDTH) store(sums + j, activate<f>(load(sums + j)));
}
template <Activation f> void back_to_sums(float* grads, const float* values, Size numbers) {
    for (Size j = 0; j < numbers; j += WIDTH)
        store(grads + j, load(grads + j) * slope<f>(load(values + j)));
}

template <Activation f> using Is = std::integral_constant<Activation, f>;

// Call `work` with the activation as a type.
template <class Work> void with_activation(int activation, Work work) {
    if (activation == TANH) work(Is<TANH>());
    else if (activation == SIGMOID) work(Is<SIGMOID>());
    else work(Is<RELU>());
}
