// What a problem is, and one head of it, chunk after chunk.
#pragma once
#include "blocks.h"
#include <algorithm>
#include <vector>

// (B, T · rows, H, columns), the last axis contiguous; no base: absent.
struct Port { real* base; int64_t batch, head, time, rows, columns; };

struct Problem {
  Port q, k, v, g, erase, beta, o;               // o: what is put out, or its gradient
  Port dq, dk, dv, dg, derase, dbeta;            // backward only
  real *first, *last, *starts, *written;         // (B, H, K, V) twice, (B, H, M, K, V), (B, H, M, C·n, V)
  real *grad_first, *grad_last;
  int64_t heads, steps, updates, keys, values, size;
  double scale;
  int64_t delta;                                 // k is the erase key
};

// Zeros, from the beginning of a register on.
struct Buffer {
  std::vector<real> memory;
  real* at;
  explicit Buffer(int64_t size) : memory(size + LANES, 0), at(memory.data()) {
    at += (WIDTH - reinterpret_cast<uintptr_t>(at) % WIDTH) % WIDTH / sizeof(real);
  }
  operator real*() const { return at; }
};

// Rows that read the state are q (C) and, behind them, the erase keys (C·n) times −β; a row that was written is one of
// C·n. Rows of buffers are filled up to whole registers, and so is their number where it becomes that of columns.
struct Head : Products {
  const Problem& p;
  const int64_t C, n, N, K, V, KP, VP, NP, reads, chunks;
  int64_t row, batch, head, chunk, from, count;  // the head, and the steps of this chunk

  explicit Head(const Problem& p)
      : p(p), C(p.size), n(p.updates), N(C * n), K(p.keys), V(p.values), KP(up(K)), VP(up(V)), NP(up(N)),
        reads(C + (erases() ? N : 0)), chunks((p.steps + C - 1) / C) {}

  static int64_t up(int64_t n) {
    constexpr int64_t even = LANES < 4 ? 4 : LANES;
    return (n + even - 1) / even * even;
  }
  bool erases() const { return p.delta || p.erase.base; }
  const Port& erase() const { return p.delta ? p.k : p.erase; }
  real* at(const Port& port, int64_t t) const {
    return port.base + batch * port.batch + head * port.head + t * port.time;
  }

  void visit(int64_t r, int64_t m) {
    row = r, batch = r / p.heads, head = r % p.heads;
    chunk = m, from = m * C, count = std::min(C, p.steps - from);
  }
  int64_t place() const { return row * chunks + chunk; }  // of this chunk among those of all heads
  // What a visit reads and puts out, to be asked for while products go on.
  void fetch(int64_t r, int64_t m) {
    prefetch.clear();
    if (m < 0 || m >= chunks) return;
    Head next(p);
    next.visit(r, m);
    next.fetch(prefetch, {&p.q, &p.k, &p.g, &p.erase, &p.beta, &p.o});
    if (p.starts) prefetch.rows(p.starts + next.place() * K * V, V, V, K);
    if (p.written) prefetch.rows(p.written + next.place() * N * V, V, V, N);
    next.fetch(prefetch, {&p.v, &p.dg, &p.dq, &p.dv, &p.derase, &p.dk, &p.dbeta});
  }
  void fetch(Prefetch& prefetch, std::initializer_list<const Port*> ports) const {
    for (const Port* port : ports)
      if (port->base) prefetch.rows(at(*port, from * port->rows), port->time, port->columns, count * port->rows);
  }

  // Rows (·, columns) of an operand in this chunk, `each` to a step, times a factor; what is not there is zero.
  static real one(int64_t) { return 1; }
  template <class F = real (*)(int64_t)>
  void load(const Port& port, int64_t each, int64_t columns, real* to, int64_t ld, F factor = one) const {
    for (int64_t i = 0; i < count * each; i++) scaled(columns, at(port, from * each + i), factor(i), to + i * ld);
    for (int64_t i = count * each; i < C * each; i++) std::fill_n(to + i * ld, columns, real(0));
  }
  template <class F = real (*)(int64_t)>
  void store(const Port& port, int64_t each, int64_t columns, const real* x, int64_t ld, F factor = one) const {
    for (int64_t i = 0; i < count * each; i++) scaled(columns, x + i * ld, factor(i), at(port, from * each + i));
  }

  // Written rows that a row of reading may see: those until its step, or before it.
  int64_t seen(int64_t row) const { return row < C ? (row + 1) * n : row - C; }

  // The most that any row of a group may see.
  int64_t most_seen(int64_t from, int64_t end) const { return from < C ? seen(std::min(end, C) - 1) : seen(end - 1); }

  // Products of rows that read (·, length) with written ones, transposed; zero where nothing was written yet.
  void triangle(const real* rows, int64_t length, const real* written, real* to) {
    const int64_t ld = up(length);
    product(reads, {to, NP, NP}, [&](int64_t i, int64_t end) {
      return Terms({{rows + i * ld, ld, 1}, written, NP, 0, length}, most_seen(i, end));
    });
    for (int64_t i = 0; i < reads; i++)
      for (int64_t j = seen(i) / LANES * LANES; j < NP; j += LANES)
        Full{}.store(to + i * NP + j, first_lanes(seen(i) - j, Full{}.load(to + i * NP + j)));
  }
};
