// What a Jordan network feeds back, on a whole number of vectors.

#pragma once

#include "vectors.h"

// The context: c_t = decay c_{t-1} + p_{t-1}.
inline void decayed(const float* before, const float* fed, float decay, float* context,
                    Size numbers) {
    for (Size j = 0; j < numbers; j += WIDTH)
        store(context + j, load(before + j) * decay + load(fed + j));
}
// The gradient of c_t becomes that of c_{t-1}; that of p_{t-1} is written.
inline void back_to_decayed(float* of_context, float* of_fed, float decay, Size numbers) {
    for (Size j = 0; j < numbers; j += WIDTH) {
        store(of_fed + j, load(of_context + j));
        store(of_context + j, load(of_context + j) * decay);
    }
}
