// One decay for all keys: it stands outside the products.
#pragma once
#include "head.h"

struct Decay {
  const Head& d;
  const bool any;
  Buffer table, entering, leaving, turned;
  std::vector<double> gamma;
  real whole = 1;

  explicit Decay(const Head& d)
      : d(d), any(d.p.g.base), table(d.C * d.NP), entering(d.reads + LANES), leaving(d.NP), turned(d.KP * d.NP),
        gamma(d.C) {}

  // e^Γ, e^{Γ_C − Γ} and e^{Γ_i − Γ_j}; sums of many gates need more digits than their exponentials.
  void prepare() {
    if (!any) return;
    double sum = 0;
    for (int64_t i = 0; i < d.C; i++) {
      if (i < d.count) sum += std::max(double(*d.at(d.p.g, d.from + i)), -800.);
      gamma[i] = sum;
    }
    whole = std::exp(sum);
    for (int64_t i = 0; i < d.C; i++) {
      entering[i] = gamma[i];
      for (int64_t r = i * d.n; r < (i + 1) * d.n; r++) leaving[r] = sum - gamma[i];
    }
    exponentials(d.C, entering);
    exponentials(d.N, leaving);
    for (int64_t i = 0; i < d.C; i++) {
      real* row = table + i * d.NP;
      for (int64_t j = 0; j <= i; j++)
        for (int64_t r = j * d.n; r < (j + 1) * d.n; r++) row[r] = real(gamma[i] - gamma[j]);
      std::fill(row + (i + 1) * d.n, row + Head::up((i + 1) * d.n), real(-800));
      exponentials(Head::up((i + 1) * d.n), row);
      if (d.erases()) std::fill_n(entering + d.C + i * d.n, d.n, entering[i]);
    }
  }
  static void exponentials(int64_t n, real* x) {
    for (int64_t j = 0; j < n; j += LANES) Full{}.store(x + j, exp_(Full{}.load(x + j)));
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
    if (any) scale_rows(d.N, d.VP, news, d.VP, leaving), scale_all(d.K, d.VP, s, d.VP, whole);
    product(d.K, {k, 1, d.KP}, news, d.VP, s, d.VP, true, Range{0, d.N, d.V});
  }

  // What a gradient of the state behind the chunk is to the rows written.
  void read_back(const real* k, const real* ds, real* y) const {
    product(d.N, {k, d.KP, 1}, ds, d.VP, y, d.VP, false, Range{0, d.K, d.V});
    if (any) scale_rows(d.N, d.VP, y, d.VP, leaving);
  }
  // The gradient of rows that read, to which that through the state is given; w: of the weights.
  void to_rows(real* w, const real* k, real* dx) {
    decay(w);
    enter(dx);
    product(d.C, {w, d.NP, 1}, k, d.KP, dx, d.KP, true, [&](int64_t, int64_t end) { return Range{0, end * d.n, d.K}; });
    if (d.erases())
      product(d.N, {w + d.C * d.NP, d.NP, 1}, k, d.KP, dx + d.C * d.KP, d.KP, true,
              [&](int64_t, int64_t end) { return Range{0, end - 1, d.K}; });
  }
  // The same of written rows, behind `to_rows`.
  void to_columns(const real* w, const real* x, real* dk) const {
    if (any) scale_rows(d.N, d.KP, dk, d.KP, leaving);
    product(d.N, {w, 1, d.NP}, x, d.KP, dk, d.KP, true, [&](int64_t r, int64_t) { return Range{r / d.n, d.C, d.K}; });
    if (d.erases())
      product(d.N, {w + d.C * d.NP, 1, d.NP}, x + d.C * d.KP, d.KP, dk, d.KP, true,
              [&](int64_t r, int64_t) { return Range{r, d.N, d.K}; });
  }
  // The gradient of the state before the chunk, from that behind it.
  void write_back(const real* x, real* z, real* ds) const {
    if (any) scale_rows(d.reads, d.VP, z, d.VP, entering), scale_all(d.K, d.VP, ds, d.VP, whole);
    product(d.K, {x, 1, d.KP}, z, d.VP, ds, d.VP, true, Range{0, d.reads, d.V});
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
