// LEARN for one member of a group of small networks, in strips of its batch; see strips.h.

#pragma once

#include "answer.h"

// Whether strips are faster than rows, up to `most` units, and compute all that is asked.
inline bool learns_in_strips(const Unrolling& net, Size most) {
    return net.size <= most && !net.horizon && !net.mask && net.rows == net.batch
        && net.batch >= WIDTH / 2;
}

void learn_scan_in_strips(int cell, const Unrolling& net, const Answer& answer, Size member);
void learn_jordan_in_strips(int activation, const Unrolling& net, const Answer& answer,
                            Size member);
void learn_taps_in_strips(int activation, const Unrolling& net, const Answer& answer, Size member);
