// One decay for all keys: it stands outside the products.
#pragma once
#include "head.h"

struct Decay {
  Head& d;
  const bool any;
  Buffer table, entering, high, low, turned;
  Buffer read, written;  // what flows through rows that read, and that were written
  real* const leaving;
  real whole = 1;

  explicit Decay(Head& d)
      : d(d), any(d.p.g.base), table(d.C * d.NP), entering(d.reads + LANES), high(d.NP), low(d.NP),
        turned(d.KP * d.NP), read(d.reads + LANES), written(d.NP), leaving(table + (d.C - 1) * d.NP) {
    std::fill_n(entering.at, d.reads, real(1)), std::fill_n(leaving, d.N, real(1));
  }

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

  // What rows from i on read of the state before the chunk.
  Term reading(int64_t i, const real* x, const real* s) const {
    return {{x + i * d.KP, d.KP, 1}, s, d.VP, 0, d.K, entering + i};
  }
  // The state behind the chunk.
  void write(const real* k, real* news, real* s) const {
    if (any) scale_rows(d.N, d.VP, news, d.VP, leaving);
    d.product(d.K, {s, d.VP, d.V, &whole}, [&](int64_t i, int64_t) {
      return Term{{k + i, 1, d.KP}, news, d.VP, 0, d.N};
    });
  }

  // What a gradient of the state behind the chunk is to rows written from i on.
  Term reading_back(int64_t i, const real* k, const real* ds) const {
    return {{k + i * d.KP, d.KP, 1}, ds, d.VP, 0, d.K, leaving + i};
  }
  // The gradient of rows that read, from the transposed state and the gradient of the weights.
  void to_rows(const real* z, const real* state, real* w, const real* k, real* dx) const {
    decay(w);
    d.product(d.reads, {dx, d.KP, d.K}, [&](int64_t i, int64_t end) -> Terms {
      return {{{z + i * d.VP, d.VP, 1}, state, d.KP, 0, d.V, entering + i},
              {{w + i * d.NP, d.NP, 1}, k, d.KP, 0, d.most_seen(i, end)}};
    });
  }
  // The same of written rows, behind `to_rows`, from the gradient of the state.
  void to_columns(const real* news, const real* state, const real* w, const real* x, real* dk) const {
    d.product(d.N, {dk, d.KP, d.K}, [&](int64_t r, int64_t) -> Terms {
      return {{{news + r * d.VP, d.VP, 1}, state, d.KP, 0, d.V, leaving + r},
              {{w + r, 1, d.NP}, x, d.KP, r / d.n, d.C},
              {{w + d.C * d.NP + r, 1, d.NP}, x + d.C * d.KP, d.KP, r, d.erases() ? d.N : r}};
    });
  }
  // The gradient of the state before the chunk, from that behind it.
  void write_back(const real* x, real* z, real* ds) const {
    if (any) scale_rows(d.reads, d.VP, z, d.VP, entering);
    d.product(d.K, {ds, d.VP, d.V, &whole}, [&](int64_t i, int64_t) {
      return Term{{x + i, 1, d.KP}, z, d.VP, 0, d.reads};
    });
  }

  // From what flows through every key of the state behind the chunk.
  void gates(const real* x, const real* dx, const real* k, const real* dk, const real* flow) {
    if (!any) return;
    row_products(d.reads, d.KP, x, d.KP, dx, d.KP, read);
    row_products(d.N, d.KP, k, d.KP, dk, d.KP, written);
    double sum = 0;
    for (int64_t c = 0; c < d.K; c++) sum += flow[c];
    for (int64_t i = d.C - 1; i >= 0; i--) {
      sum += read[i];
      for (int64_t r = i * d.n; r < (i + 1) * d.n; r++) sum += (d.erases() ? read[d.C + r] : real(0)) - written[r];
      if (i < d.count) *d.at(d.p.dg, d.from + i) = sum;
    }
  }
};
