// Write to memory past the caches.
//
// A common store reads what it overwrites, and pushes out of the caches what is read again. GCC names the others by the
// processor; where it has none the processor notices long runs by itself.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int64_t WIDE = 64;
#elif defined(__AVX__)
constexpr int64_t WIDE = 32;
#else
constexpr int64_t WIDE = 16;
#endif
typedef int word __attribute__((may_alias));
typedef long long narrow __attribute__((vector_size(16), may_alias));
typedef long long wide __attribute__((vector_size(WIDE), may_alias));

#if defined(__clang__)
template <class T> static inline void store(T* at, T x) { __builtin_nontemporal_store(x, at); }
static inline void finish() { std::atomic_thread_fence(std::memory_order_seq_cst); }
#elif defined(__SSE2__)
static inline void store(word* at, word x) { __builtin_ia32_movnti(at, x); }
static inline void store(narrow* at, narrow x) { __builtin_ia32_movntdq(at, x); }
#if defined(__AVX512F__)
static inline void store(wide* at, wide x) { __builtin_ia32_movntdq512(at, x); }
#elif defined(__AVX__)
static inline void store(wide* at, wide x) { __builtin_ia32_movntdq256(at, x); }
#endif
static inline void finish() { __builtin_ia32_sfence(); }
#else
template <class T> static inline void store(T* at, T x) { *at = x; }
static inline void finish() {}
#endif

// As many parts of a size as there are; they must begin at a multiple of it.
template <class T>
static inline void move_past(char*& to, const char*& from, const char* end) {
  for (; end - to >= int64_t(sizeof(T)); to += sizeof(T), from += sizeof(T)) {
    T part;
    std::memcpy(&part, from, sizeof part);
    store(reinterpret_cast<T*>(to), part);
  }
}

// What was written is seen by other threads after `finish`.
static inline void write_past(void* target, const void* source, int64_t bytes) {
  auto to = static_cast<char*>(target);
  auto from = static_cast<const char*>(source);
  const char* end = to + bytes;
  const auto beyond = [&](int64_t size) { return reinterpret_cast<uintptr_t>(to) % size; };
  if (beyond(16)) move_past<word>(to, from, std::min<const char*>(end, to + 16 - beyond(16)));
  if (!beyond(WIDE)) move_past<wide>(to, from, end);
  move_past<narrow>(to, from, end);
  move_past<word>(to, from, end);
}
