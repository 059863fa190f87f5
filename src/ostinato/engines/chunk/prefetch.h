// Memory that is needed soon, asked for line by line while products go on.
#pragma once
#include "vector.h"
#include <vector>

// The same line of some rows.
struct Lines {
  const real* at;
  int64_t step, count;
  bool far = false;  // to the second cache: where there are many, they would push operands out of the first

  void ask() {
    far ? __builtin_prefetch(at, 0, 2) : __builtin_prefetch(at);
    at += step, count--;
  }
};

// All that is to be asked for, in the order in which it is needed.
struct Prefetch {
  static constexpr int64_t LINE = 64 / sizeof(real);
  std::vector<Lines> all;
  size_t done = 0;
  bool far = false;

  void clear() { all.clear(), done = 0; }
  void rows(const real* at, int64_t step, int64_t columns, int64_t count) {
    if (step < LINE) count = (count * step + LINE - 1) / LINE, step = LINE;
    for (int64_t c = 0; c < columns && count; c += LINE) all.push_back({at + c, step, count, far});
  }
  // Where nothing is left, a line that a product reads itself.
  Lines& next(Lines& own) {
    while (done < all.size() && !all[done].count) done++;
    return done < all.size() ? all[done] : own;
  }
};
