// One step of rows that wait for one another: level after level, each row beginning from a weighted sum of others.
//
// What stands before this text says what `real` is.
#include <cstdint>

typedef void Step(const void* const* addresses, const int64_t* strides, int64_t steps, int64_t begin, int64_t end,
                  void*, int64_t);

struct Leaf {
  const real* own;  // what a row has by itself
  real* sum;        // where its sum goes, which the step reads
  real* found;      // what the step makes of it
  int64_t size;
};

struct Edges {             // of row n: others[first[n]] … others[first[n + 1] − 1]
  const int64_t *first, *others;
  const real* weights;
};

// Downwards, for a gradient, a row has something of its own beside the sum; upwards only if there is nothing to sum.
extern "C" void levels(Step* step, const void* const* addresses, const int64_t* strides, const int64_t* borders,
                       int64_t count, const Edges* edges, const Leaf* leaves, int64_t leaf_count, int64_t downwards) {
  for (int64_t k = 0; k < count; k++) {
    const int64_t level = downwards ? count - 1 - k : k, begin = borders[level], end = borders[level + 1];
    for (const Leaf* leaf = leaves; leaf < leaves + leaf_count; leaf++)
      for (int64_t n = begin; n < end; n++) {
        const int64_t from = edges->first[n], to = edges->first[n + 1], size = leaf->size;
        real* sum = leaf->sum + n * size;
        const bool whole = downwards || from == to;
        for (int64_t i = 0; i < size; i++) sum[i] = whole ? leaf->own[n * size + i] : real(0);
        for (int64_t e = from; e < to; e++) {
          const real weight = edges->weights[e];
          const real* other = leaf->found + edges->others[e] * size;
          for (int64_t i = 0; i < size; i++) sum[i] += weight * other[i];
        }
      }
    step(addresses, strides, 1, begin, end, nullptr, 0);
  }
}
