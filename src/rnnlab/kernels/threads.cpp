// Calls of kernels, divided among threads.

#include <atomic>
#include <thread>
#include <vector>

#include "answer.h"

// `_Call` in request.py.
struct Call {
    bool (*kernel)(int, int, const Unrolling*, const Answer*, Size, Size);
    Size cell, operation, first, last;
    const Unrolling* net;
    const Answer* answer;
};

namespace {

struct Queue {
    const Call* calls;
    Size count;
    std::atomic<Size> next{0};
    std::atomic<bool> done{true};

    void work() {
        for (Size i; (i = next++) < count;) {
            const Call& call = calls[i];
            if (!call.kernel(static_cast<int>(call.cell), static_cast<int>(call.operation),
                             call.net, call.answer, call.first, call.last))
                done = false;
        }
    }
};

}  // namespace

// Make all calls, by so many threads; false if one has failed.
//
// `parallel` is OpenMP's function that runs work in each thread of a team, or null. Torch's threads
// wait for work by looping, and would take the processor away from threads of ours.
extern "C" bool rnnlab_calls(const Call* calls, Size count, Size threads,
                             void (*parallel)(void (*)(void*), void*, unsigned, unsigned)) {
    Queue queue{calls, count};
    if (threads == 1) queue.work();
    else if (parallel)
        parallel([](void* data) { static_cast<Queue*>(data)->work(); }, &queue,
                 static_cast<unsigned>(threads), 0);
    else {
        std::vector<std::thread> others;
        for (Size n = 1; n < threads; ++n) others.emplace_back([&] { queue.work(); });
        queue.work();
        for (std::thread& other : others) other.join();
    }
    return queue.done;
}

// Whether all ids, or those where the mask is true, are from 0 to classes - 1.
extern "C" bool rnnlab_in_range(const int64_t* ids, const bool* mask, Size count, Size classes) {
    bool fine = true;
    for (Size i = 0; i < count; ++i)
        fine &= (mask && !mask[i]) || (ids[i] >= 0 && ids[i] < classes);
    return fine;
}
