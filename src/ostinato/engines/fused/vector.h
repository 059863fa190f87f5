// Vectors of one register, and the functions that a step is made of.
//
// `real` is float (SINGLE 1) or double (SINGLE 0), chosen by the generated file; WIDTH is the number of bytes of a
// register on the machine that is compiled for. The vector types are those of GCC and Clang.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif

typedef real vec __attribute__((vector_size(WIDTH)));
constexpr int64_t LANES = WIDTH / sizeof(real);
constexpr int64_t PANEL = 4 * LANES;  // columns of a matrix that are multiplied together

#define INLINE static inline __attribute__((always_inline))

INLINE vec splat(real x) { return x - vec{}; }

struct Full {  // a whole register
  INLINE vec load(const real* p) { vec v; std::memcpy(&v, p, sizeof v); return v; }
  INLINE void store(real* p, vec v) { std::memcpy(p, &v, sizeof v); }
  INLINE vec keep(vec x, vec) { return x; }
  static constexpr int64_t n = LANES;
};

struct Part {  // the first n lanes, at the end of a row
  int64_t n;
#if defined(__AVX512F__) && SINGLE
  inline __attribute__((always_inline)) vec load(const real* p) const {
    return __builtin_ia32_loadups512_mask(p, vec{}, (1 << n) - 1);
  }
  inline __attribute__((always_inline)) void store(real* p, vec v) const {
    __builtin_ia32_storeups512_mask(p, v, (1 << n) - 1);
  }
#else
  inline vec load(const real* p) const { vec v{}; std::memcpy(&v, p, n * sizeof(real)); return v; }
  inline void store(real* p, vec v) const { std::memcpy(p, &v, n * sizeof(real)); }
#endif
  inline vec keep(vec x, vec other) const {
    for (int64_t i = n; i < LANES; i++) x[i] = other[i];
    return x;
  }
};

template <class L>
INLINE vec gather(L lane, const real* p, int64_t stride) {
  vec v{};
  for (int64_t i = 0; i < lane.n; i++) v[i] = p[i * stride];
  return v;
}

template <class L>
INLINE void scatter(L lane, real* p, int64_t stride, vec v) {
  for (int64_t i = 0; i < lane.n; i++) p[i * stride] = v[i];
}

template <class F>
INLINE vec each(vec x, F f) {
  for (int64_t i = 0; i < LANES; i++) x[i] = f(x[i]);
  return x;
}

#if SINGLE
#if defined(__AVX512F__)
INLINE vec least(vec a, vec b) { return __builtin_ia32_minps512_mask(a, b, b, -1, 4); }
INLINE vec most(vec a, vec b) { return __builtin_ia32_maxps512_mask(a, b, b, -1, 4); }
INLINE vec whole(vec x) { return __builtin_ia32_rndscaleps_mask(x, 8, x, -1, 4); }
INLINE vec scale(vec x, vec n) { return __builtin_ia32_scalefps512_mask(x, n, x, -1, 4); }
#else
INLINE vec least(vec a, vec b) { return a < b ? a : b; }
INLINE vec most(vec a, vec b) { return a > b ? a : b; }
// To add and subtract 1.5 · 2^23 rounds to the next integer.
INLINE vec whole(vec x) { return (x + 12582912.f) - 12582912.f; }
// x · 2^n in two steps, since 2^n alone may be too large or too small.
INLINE vec scale(vec x, vec n) {
  typedef int32_t ints __attribute__((vector_size(WIDTH)));
  const ints all = __builtin_convertvector(n, ints), half = all >> 1;
  const ints bits = (half + 127) << 23, rest = (all - half + 127) << 23;
  vec a, b;
  std::memcpy(&a, &bits, sizeof a);
  std::memcpy(&b, &rest, sizeof b);
  return x * a * b;
}
#endif

// x = n ln 2 + r with |r| ≤ ln 2 / 2, and exp(r) − 1 by the Taylor polynomial of degree 7, the
// last term economised. Of two operands with a NaN `least` and `most` give the second.
INLINE vec reduced(vec x, vec* n) {
  *n = whole(x * 1.44269504f);
  vec r = x - *n * 0.693359375f;
  r = r + *n * 2.12194440e-4f;
  vec p = splat(1.f / 720);
  p = p * r + (1.f / 120 + 4.1705e-5f);
  p = p * r + 1.f / 24;
  p = p * r + (1.f / 6 - 2.5047e-6f);
  p = p * r + 0.5f;
  p = p * r + 1.f;
  return p * r;
}
constexpr real LEAST = -104, MOST = 89, EVEN = 20;
#else
INLINE vec least(vec a, vec b) { return a < b ? a : b; }
INLINE vec most(vec a, vec b) { return a > b ? a : b; }
INLINE vec whole(vec x) { return (x + 6755399441055744.) - 6755399441055744.; }
INLINE vec scale(vec x, vec n) {
  typedef int64_t ints __attribute__((vector_size(WIDTH)));
  const vec half = whole(n * 0.5);
  // The integers lie in the low bits of the sum; few processors convert them otherwise.
  const vec first = half + 6755399441055744., second = (n - half) + 6755399441055744.;
  ints bits, rest;
  std::memcpy(&bits, &first, sizeof bits);
  std::memcpy(&rest, &second, sizeof rest);
  bits = (bits + 1023) << 52;
  rest = (rest + 1023) << 52;
  vec a, b;
  std::memcpy(&a, &bits, sizeof a);
  std::memcpy(&b, &rest, sizeof b);
  return x * a * b;
}

// The same as in single precision, of degree 14 and with the last term added unrounded.
INLINE vec reduced(vec x, vec* n) {
  *n = whole(x * 1.4426950408889634);
  vec r = x - *n * 6.93147180369123816490e-01;
  r = r - *n * 1.90821492927058770002e-10;
  vec p = splat(1. / 87178291200);
  p = p * r + 1. / 6227020800;
  p = p * r + 1. / 479001600;
  p = p * r + 1. / 39916800;
  p = p * r + 1. / 3628800;
  p = p * r + 1. / 362880;
  p = p * r + 1. / 40320;
  p = p * r + 1. / 5040;
  p = p * r + 1. / 720;
  p = p * r + 1. / 120;
  p = p * r + 1. / 24;
  p = p * r + 1. / 6;
  p = p * r + 0.5;
  return p * r * r + r;
}
constexpr real LEAST = -746, MOST = 710, EVEN = 40;
#endif

INLINE vec exp_(vec x) {
  vec n, p = reduced(most(splat(LEAST), least(splat(MOST), x)), &n);
  return scale(p + 1, n);
}

// e^x − 1 without cancellation, for |x| ≤ EVEN; beyond, one of the two does not count.
INLINE vec small_expm1(vec x) {
  vec n, p = reduced(most(splat(-EVEN), least(splat(EVEN), x)), &n);
  const vec power = scale(splat(1), n);
  return p * power + (power - 1);
}

INLINE vec expm1_(vec x) { return x > EVEN ? exp_(x) : small_expm1(x); }

INLINE vec sigmoid_(vec x) { return 1 / (1 + exp_(-x)); }

// (e^2x − 1) / (e^2x + 1)
INLINE vec tanh_(vec x) {
  const vec y = small_expm1(2 * x);
  return y / (y + 2);
}

#if SINGLE
typedef uint32_t word;
constexpr word ONE = 0x3f800000, ROOT = 0x3f3504f3, WHOLE = 0x4b000000;
constexpr int DIGITS = 23, TERMS = 4;
constexpr real OFFSET = 8388608 + 127, HIGH = 0.693359375f, LOW = -2.12194440e-4f, LEAST_NORMAL = 0x1p-126f;
#else
typedef uint64_t word;
constexpr word ONE = 0x3ff0000000000000, ROOT = 0x3fe6a09e667f3bcd, WHOLE = 0x4330000000000000;
constexpr int DIGITS = 52, TERMS = 10;
constexpr real OFFSET = 4503599627370496. + 1023, HIGH = 6.93147180369123816490e-01, LOW = 1.90821492927058770002e-10;
constexpr real LEAST_NORMAL = 0x1p-1022;
#endif

// ln x + c for a small c, where x is positive and normal: x = 2^n (1 + f) with √½ ≤ 1 + f < √2, and
// ln(1 + f) = 2 artanh(s), s = f / (2 + f), whose series begins with f − f²/2 + s f²/2.
INLINE vec log_plus(vec x, vec c) {
  typedef word words __attribute__((vector_size(WIDTH)));
  words bits;
  std::memcpy(&bits, &x, sizeof bits);
  const words power = (bits + (ONE - ROOT)) >> DIGITS, fraction = bits - (power << DIGITS) + ONE;
  // As the last bits of a number of whole distance to the next, an integer is converted everywhere.
  const words whole_power = power | WHOLE;
  vec n, f;
  std::memcpy(&n, &whole_power, sizeof n);
  std::memcpy(&f, &fraction, sizeof f);
  n = n - OFFSET, f = f - 1;
  const vec s = f / (f + 2), z = s * s, half = f * f * real(0.5);
  vec p = splat(real(2) / (2 * TERMS + 1));
  for (int i = TERMS - 1; i > 0; i--) p = p * z + real(2) / (2 * i + 1);
  return s * (half + z * p) + (n * LOW + c) - half + f + n * HIGH;
}

// A logarithm where x is positive and finite, and what it is elsewhere.
INLINE vec at_edges(vec x, vec logarithm) {
  const vec none = splat(NAN), most = splat(INFINITY);
  return x > 0 ? (x < most ? logarithm : x) : (x == 0 ? -most : none);
}

INLINE vec log_(vec x) {
  // A power of two makes all numbers normal.
  const vec tiny = x * real(1ull << DIGITS), c = splat(real(-DIGITS) * real(0.69314718055994530942));
  return at_edges(x, x < LEAST_NORMAL ? log_plus(tiny, c) : log_plus(x, vec{}));
}

// What 1 + x loses is small, and so added by its derivative.
INLINE vec log1p_(vec x) {
  const vec u = 1 + x, lost = x < 1 ? x - (u - 1) : 1 - (u - x);
  return at_edges(u, log_plus(u, lost / u));
}

INLINE vec sin_(vec x) { return each(x, [](real a) { return std::sin(a); }); }
INLINE vec cos_(vec x) { return each(x, [](real a) { return std::cos(a); }); }
INLINE vec erf_(vec x) { return each(x, [](real a) { return std::erf(a); }); }
INLINE vec floor_(vec x) { return each(x, [](real a) { return std::floor(a); }); }
INLINE vec sqrt_(vec x) { return each(x, [](real a) { return std::sqrt(a); }); }
INLINE vec rsqrt_(vec x) { return 1 / sqrt_(x); }
INLINE vec abs_(vec x) { return x < 0 ? -x : x; }
INLINE vec sign_(vec x) { return x > 0 ? splat(1) : x < 0 ? splat(-1) : splat(0); }
INLINE vec pow_(vec x, vec y) {
  for (int64_t i = 0; i < LANES; i++) x[i] = std::pow(x[i], y[i]);
  return x;
}
// NaN in either operand is the result, as in torch.
INLINE vec maximum_(vec a, vec b) { return a != a ? a : a > b ? a : b == b ? b : b; }
INLINE vec minimum_(vec a, vec b) { return a != a ? a : a < b ? a : b == b ? b : b; }
INLINE vec where_(vec c, vec a, vec b) { return c != 0 ? a : b; }
INLINE vec lt_(vec a, vec b) { return a < b ? splat(1) : splat(0); }
INLINE vec le_(vec a, vec b) { return a <= b ? splat(1) : splat(0); }
INLINE vec gt_(vec a, vec b) { return a > b ? splat(1) : splat(0); }
INLINE vec ge_(vec a, vec b) { return a >= b ? splat(1) : splat(0); }
INLINE vec eq_(vec a, vec b) { return a == b ? splat(1) : splat(0); }
INLINE vec ne_(vec a, vec b) { return a != b ? splat(1) : splat(0); }
INLINE vec not_(vec a) { return a == 0 ? splat(1) : splat(0); }
INLINE vec and_(vec a, vec b) { return lt_(splat(0), abs_(a)) * lt_(splat(0), abs_(b)); }
INLINE vec or_(vec a, vec b) { return lt_(splat(0), abs_(a) + abs_(b)); }

// All lanes joined to one: halves first, so that few operations wait for one another.
template <int64_t BYTES, class V, class F>
INLINE real joined(V v, F join) {
  if constexpr (BYTES == sizeof(real)) {
    return v[0];
  } else {
    typedef real half __attribute__((vector_size(BYTES / 2)));
    half a, b;
    std::memcpy(&a, &v, sizeof a);
    std::memcpy(&b, reinterpret_cast<const char*>(&v) + sizeof a, sizeof b);
    return joined<BYTES / 2>(join(a, b), join);
  }
}
INLINE real lanes_sum(vec v) {
  return joined<WIDTH>(v, [](auto a, auto b) { return a + b; });
}
INLINE real lanes_max(vec v) {
  return joined<WIDTH>(v, [](auto a, auto b) { return a != a ? a : a > b ? a : b; });
}
