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

#define INLINE static inline __attribute__((always_inline))

INLINE vec splat(real x) { return vec{} + x; }

struct Full {  // a whole register
  INLINE vec load(const real* p) { vec v; std::memcpy(&v, p, sizeof v); return v; }
  INLINE void store(real* p, vec v) { std::memcpy(p, &v, sizeof v); }
  INLINE vec keep(vec x, vec) { return x; }
  static constexpr int64_t n = LANES;
};

struct Part {  // the first n lanes, at the end of a row
  int64_t n;
  inline vec load(const real* p) const { vec v{}; std::memcpy(&v, p, n * sizeof(real)); return v; }
  inline void store(real* p, vec v) const { std::memcpy(p, &v, n * sizeof(real)); }
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

// exp in single precision: 2^n · p(r) with |r| ≤ ln2/2, p the Taylor polynomial of degree 7.
// Double precision goes through libm lane by lane: agreement with it is worth more there.
INLINE vec exp_(vec x) {
#if SINGLE
    typedef int32_t ints __attribute__((vector_size(WIDTH)));
    const vec low = splat(-87.33f), high = splat(88.8f);
    vec y = x < low ? low : x;
    y = y > high ? high : y;
    vec scaled = y * 1.44269504f;
    vec half = scaled < 0 ? splat(-0.5f) : splat(0.5f);
    ints n = __builtin_convertvector(scaled + half, ints);
    vec whole = __builtin_convertvector(n, vec);
    vec r = y - whole * 0.693359375f;
    r = r + whole * 2.12194440e-4f;
    vec p = splat(1.f / 5040);
    p = p * r + 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.f;
    p = p * r + 1.f;
    ints bits = (n + 127) << 23;
    vec power;
    std::memcpy(&power, &bits, sizeof power);
    vec result = p * power;
    result = x < low ? splat(0) : result;
    return x != x ? x : result;
#else
    return each(x, [](real a) { return std::exp(a); });
#endif
}

INLINE vec sigmoid_(vec x) { return 1 / (1 + exp_(-x)); }

// Around zero the Taylor polynomial keeps the relative precision that 1 − 2/(e^2x + 1) loses.
INLINE vec tanh_(vec x) {
#if SINGLE
    vec s = x * x;
    vec p = splat(21844.f / 6081075);
    p = p * s - 1382.f / 155925;
    p = p * s + 62.f / 2835;
    p = p * s - 17.f / 315;
    p = p * s + 2.f / 15;
    p = p * s - 1.f / 3;
    vec near = x + x * s * p;
    vec far = 1 - 2 / (exp_(2 * x) + 1);
    return s < 0.25f ? near : far;
#else
    return each(x, [](real a) { return std::tanh(a); });
#endif
}

INLINE vec log_(vec x) { return each(x, [](real a) { return std::log(a); }); }
INLINE vec log1p_(vec x) { return each(x, [](real a) { return std::log1p(a); }); }
INLINE vec expm1_(vec x) { return each(x, [](real a) { return std::expm1(a); }); }
INLINE vec sin_(vec x) { return each(x, [](real a) { return std::sin(a); }); }
INLINE vec cos_(vec x) { return each(x, [](real a) { return std::cos(a); }); }
INLINE vec erf_(vec x) { return each(x, [](real a) { return std::erf(a); }); }
INLINE vec floor_(vec x) { return each(x, [](real a) { return std::floor(a); }); }
INLINE vec sqrt_(vec x) { return each(x, [](real a) { return std::sqrt(a); }); }
INLINE vec rsqrt_(vec x) { return 1 / sqrt_(x); }
INLINE vec abs_(vec x) { return x < 0 ? -x : x; }
INLINE vec sign_(vec x) { return x > 0 ? splat(1) : x < 0 ? splat(-1) : x; }
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

INLINE real lanes_max(vec v) {
  real top = v[0];
  for (int64_t i = 1; i < LANES; i++) top = v[i] > top || v[i] != v[i] ? v[i] : top;
  return top;
}
INLINE real lanes_sum(vec v) {
  real total = 0;
  for (int64_t i = 0; i < LANES; i++) total += v[i];
  return total;
}
