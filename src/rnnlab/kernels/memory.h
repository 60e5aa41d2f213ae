// Buffers of a thread, and its treatment of denormal numbers.

#pragma once

#include <cassert>
#include <memory>
#include <new>

#include "vectors.h"

// Denormal numbers (below 1e-38) count as 0 while this object lives: vanishing gradients would
// otherwise take a hundred times as long as others.
class NoDenormals {
#if defined(__SSE__)
    const unsigned before = __builtin_ia32_stmxcsr();

  public:
    NoDenormals() { __builtin_ia32_ldmxcsr(before | 0x8040); }  // results and operands
    ~NoDenormals() { __builtin_ia32_ldmxcsr(before); }
#endif
};

// A buffer that each thread keeps from call to call.
class Room {
  public:
    explicit Room(Size floats) {
        if (floats > held) {
            memory.reset();
            held = 0;  // in case the allocation fails
            memory.reset(static_cast<float*>(::operator new[](floats * sizeof(float), LINE)));
            held = floats;
        }
        next = memory.get();
        end = next + floats;
    }
    // Take the next part, a whole number of vectors.
    float* take(Size floats) {
        float* part = next;
        next += floats;
        assert(next <= end);
        return part;
    }

  private:
    static constexpr std::align_val_t LINE{64};
    struct Free {
        void operator()(float* at) const { ::operator delete[](at, LINE); }
    };
    static inline thread_local std::unique_ptr<float[], Free> memory;
    static inline thread_local Size held = 0;
    float *next, *end;
};

// Do `work`; return false if memory runs out.
template <class Work> bool in_memory(Work work) {
    const NoDenormals quick;
    try {
        work();
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}
