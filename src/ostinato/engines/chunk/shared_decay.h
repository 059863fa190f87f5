// One decay for all keys: it stands outside the products.
#pragma once
#include "head.h"

struct Decay {
  const Head& d;
  const bool any;
  Buffer table, entering, high, low, turned;
  real* const leaving;
  real whole = 1;

  explicit Decay(const Head& d)
      : d(d), any(d.p.g.base), table(d.C * d.NP), entering(d.reads + LANES), high(d.NP), low(d.NP),
        turned(d.KP * d.NP), leaving(table + (d.C - 1) * d.NP) {}

  // e^Γ and e^{Γ_i − Γ_j}, whose last row is e^{Γ_C − Γ}. Γ is in two parts, since sums of many gates need more digits
  // than their exponentials.
  void prepare() {
    if (!any) return;
    double sum = 0;
    for (int64_t i = 0; i < d.C; i++) {
      if (i < d.count) sum += std::max(double(*d.at(d.p.g, d.from + i)), -800.);
      entering[i] = sum;
      for (int64_t r = i * d.n; r < (i + 1) * d.n; r++) high[r] = sum, low[r] = sum - high[r];
    }
    for (int64_t i = 0; i < d.C; i++)
      for (int64_t j = 0; j < (i + 1) * d.n; j += LANES) {
        const vec past = (high[i * d.n] - Full{}.load(high + j)) + (low[i * d.n] - Full{}.load(low + j));
        Full{}.store(table + i * d.NP + j, exp_(least(splat(0), past)));
      }
    for (int64_t i = 0; i < d.C; i += LANES) Full{}.store(entering + i, exp_(Full{}.load(entering + i)));
    whole = entering[d.C - 1];
    for (int64_t r = 0; d.erases() && r < d.N; r++) entering[d.C + r] = entering[r / d.n];
  }

  // Weights with which rows that read see what was written.
  void scores(const real* x, const real* k, real* w) {
    transpose(d.NP, d.KP, k, d.KP, turned, d.NP);
    d.triangle(x, d.K, turned, w);
    decay(w);
  }
  void decay(real* w) const {
    for (int64_t i = 0; any && i < d.reads; i++) {
      const int64_t step = i < d.C ? i : (i - d.C) / d.n;
      multiply(Head::up(d.seen(i)), w + i * d.NP, table + step * d.NP, w + i * d.NP);
    }
  }

  // Rows as they read the state before the chunk.
  void enter(real* x) const {
    if (any) scale_rows(d.reads, d.KP, x, d.KP, entering);
  }
  // The state behind the chunk.
  void write(const real* k, real* news, real* s) const {
    if (any) scale_rows(d.N, d.VP, news, d.VP, leaving);
    product(d.K, {k, 1, d.KP}, news, d.VP, s, d.VP, whole, Range{0, d.N, d.V});
  }

  // What a gradient of the state behind the chunk is to the rows written.
  void read_back(const real* k, const real* ds, real* y) const {
    product(d.N, {k, d.KP, 1}, ds, d.VP, y, d.VP, 0, Range{0, d.K, d.V});
    if (any) scale_rows(d.N, d.VP, y, d.VP, leaving);
  }
  // The gradient of rows that read, to which that through the state is given; w: of the weights.
  void to_rows(real* w, const real* k, real* dx) {
    decay(w);
    enter(dx);
    product(d.C, {w, d.NP, 1}, k, d.KP, dx, d.KP, 1, [&](int64_t, int64_t end) { return Range{0, end * d.n, d.K}; });
    if (d.erases())
      product(d.N, {w + d.C * d.NP, d.NP, 1}, k, d.KP, dx + d.C * d.KP, d.KP, 1,
              [&](int64_t, int64_t end) { return Range{0, end - 1, d.K}; });
  }
  // The same of written rows, behind `to_rows`.
  void to_columns(const real* w, const real* x, real* dk) const {
    if (any) scale_rows(d.N, d.KP, dk, d.KP, leaving);
    product(d.N, {w, 1, d.NP}, x, d.KP, dk, d.KP, 1, [&](int64_t r, int64_t) { return Range{r / d.n, d.C, d.K}; });
    if (d.erases())
      product(d.N, {w + d.C * d.NP, 1, d.NP}, x + d.C * d.KP, d.KP, dk, d.KP, 1,
              [&](int64_t r, int64_t) { return Range{r, d.N, d.K}; });
  }
  // The gradient of the state before the chunk, from that behind it.
  void write_back(const real* x, real* z, real* ds) const {
    if (any) scale_rows(d.reads, d.VP, z, d.VP, entering);
    product(d.K, {x, 1, d.KP}, z, d.VP, ds, d.VP, whole, Range{0, d.reads, d.V});
  }

  void gates(const real* x, const real* dx, const real* k, const real* dk, const real* last, const real* ds) const {
    if (!any) return;
    double sum = lanes_sum(products(d.K * d.VP, last, ds));
    for (int64_t i = d.C - 1; i >= 0; i--) {
      vec flow = products(d.KP, x + i * d.KP, dx + i * d.KP);
      for (int64_t r = i * d.n; r < (i + 1) * d.n; r++) {
        flow -= products(d.KP, k + r * d.KP, dk + r * d.KP);
        if (d.erases()) flow += products(d.KP, x + (d.C + r) * d.KP, dx + (d.C + r) * d.KP);
      }
      sum += lanes_sum(flow);
      if (i < d.count) *d.at(d.p.dg, d.from + i) = sum;
    }
  }
};
