/* The inner loops beside products, once for all vector instruction sets: a file of one set includes kernels_vectors.h,
 * defines what its vectors are, and includes this. It has defined
 *
 *     LANES                   numbers in a vector
 *     vec, ints, words        vectors of LANES float, int32_t, uint32_t (types of the compiler's: operators work)
 *     multiply_add(a, b, c)   a * b + c, rounded once where the set can
 *     larger(a, b)            a > b ? a : b, so b where either is NaN
 *     smaller(a, b)           a < b ? a : b
 *     evens(a, b), odds(a, b) the numbers at even and at odd places of a and then b
 *
 * Every loop goes in steps of LANES. `left` is how many numbers are left; where these are fewer than LANES, only these
 * are read and written.
 */
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* wherever a float may lie */

INLINE vec splat(float number) { return number - (vec){0}; }

INLINE size_t left_of(size_t count, size_t at) { return count > at ? count - at : 0; }

INLINE vec load_all(const float *from) { return *(const loose *)from; }

static __attribute__((noinline)) vec load_some(const float *from, size_t left, float other) {
    float room[LANES];
    for (size_t lane = 0; lane < LANES; lane++) room[lane] = lane < left ? from[lane] : other;
    return load_all(room);
}

static __attribute__((noinline)) void store_some(float *to, size_t left, vec numbers) {
    float room[LANES];
    *(loose *)room = numbers;
    for (size_t lane = 0; lane < left; lane++) to[lane] = room[lane];
}

/* `other` stands where nothing is left. */
INLINE vec load_or(const float *from, size_t left, float other) {
    return left >= LANES ? load_all(from) : load_some(from, left, other);
}

INLINE vec load(const float *from, size_t left) { return load_or(from, left, 0); }

INLINE void store(float *to, size_t left, vec numbers) {
    if (left >= LANES) *(loose *)to = numbers;
    else store_some(to, left, numbers);
}

INLINE float sum_of(vec numbers) {
    float room[LANES];
    *(loose *)room = numbers;
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t lane = 0; lane < half; lane++) room[lane] += room[lane + half];
    return room[0];
}

INLINE float largest_lane(vec numbers) {
    float room[LANES], largest = -INFINITY;
    *(loose *)room = numbers;
    for (size_t lane = 0; lane < LANES; lane++) largest = room[lane] > largest ? room[lane] : largest;
    return largest;
}

/* e^x as *power times (1 + what is given back): x = n ln 2 + r with a whole n, power = 2^n, and for |r| <= ln 2 / 2
 * e^r - 1 = r + r^2 q(r). q is the polynomial of degree 4 whose largest error, times |r|, is least (Lawson's weighted
 * least squares over 4,001 Chebyshev points, own computation): 1.6e-8 with these rounded coefficients. ln 2 is in two
 * parts as in Cody and Waite 1980: n times the first is exact. n from -127, where power is 0, to 128, where it is
 * infinite. */
INLINE vec split_exp(vec x, vec *power) {
    vec rounder = splat(12582912.0f); /* 1.5 * 2^23: a sum with it is whole, and n stands in its lowest bits */
    vec sum = multiply_add(x, splat(1.44269504f), rounder), n = sum - rounder;
    vec r = multiply_add(n, splat(2.12194440e-4f), multiply_add(n, splat(-0.693359375f), x));
    vec q = multiply_add(r, splat(0.0013946497f), splat(0.008366611f));
    q = multiply_add(r, q, splat(0.04166628f));
    q = multiply_add(r, q, splat(0.16666543f));
    q = multiply_add(r, q, splat(0.5f));
    *power = (vec)(((words)sum << 23) + 0x3f800000u);
    return multiply_add(r * r, q, r);
}

/* Relative error below 1.5e-7; 0 below the smallest normal number, infinity from 2^127.5 on. */
INLINE vec exp_of(vec x) {
    vec power, more = split_exp(smaller(splat(88.8f), larger(splat(-88.0f), x)), &power);
    return power * (more + 1);
}

/* With e = e^2x - 1: tanh x = e / (e + 2). Relative error below 3e-7, beyond 9 it is 1. */
INLINE vec tanh_of(vec x) {
    x = smaller(splat(9.1f), larger(splat(-9.1f), x));
    vec power, more = split_exp(x + x, &power), e = multiply_add(power, more, power - 1);
    return e / (e + 2);
}

INLINE vec sigmoid_of(vec x) { return 1 / (1 + exp_of(-x)); }

enum { KEYS_AT_ONCE = 4, VECTORS_AT_ONCE = 8, BLOCK = 16 * LANES };

/* Several keys side by side, so that no sum waits for itself; each sum is the same as alone. */
INLINE void dots_of(const float *query, const float *keys, size_t stride, const size_t count, size_t width,
                    float *out) {
    vec sums[KEYS_AT_ONCE] = {{0}};
    for (size_t place = 0; place < width; place += LANES) {
        size_t left = width - place;
        vec asked = load(query + place, left);
        EACH(size_t key = 0; key < count; key++)
            sums[key] = multiply_add(asked, load(keys + key * stride + place, left), sums[key]);
    }
    EACH(size_t key = 0; key < count; key++) out[key] = sum_of(sums[key]);
}

static void dots(const float *query, const float *keys, size_t stride, size_t count, size_t width, float *out) {
    size_t key = 0;
    for (; key + KEYS_AT_ONCE <= count; key += KEYS_AT_ONCE)
        dots_of(query, keys + key * stride, stride, KEYS_AT_ONCE, width, out + key);
    for (; key < count; key++) dots_of(query, keys + key * stride, stride, 1, width, out + key);
}

static void tanh_dots(const float *query, const float *keys, size_t stride, size_t count, size_t width,
                      const float *direction, float *out) {
    for (size_t key = 0; key < count; key++) {
        vec sums = {0};
        for (size_t place = 0; place < width; place += LANES) {
            size_t left = width - place;
            vec made = tanh_of(load(query + place, left) + load(keys + key * stride + place, left));
            sums = multiply_add(load(direction + place, left), made, sums);
        }
        out[key] = sum_of(sums);
    }
}

static void mix(const float *weights, const float *values, size_t stride, size_t count, size_t width, float *out) {
    size_t place = 0;
    for (; place + VECTORS_AT_ONCE * LANES <= width; place += VECTORS_AT_ONCE * LANES) {
        vec sums[VECTORS_AT_ONCE] = {{0}};
        for (size_t value = 0; value < count; value++) {
            const float *from = values + value * stride + place;
            EACH(size_t at = 0; at < VECTORS_AT_ONCE; at++)
                sums[at] = multiply_add(splat(weights[value]), load_all(from + at * LANES), sums[at]);
        }
        EACH(size_t at = 0; at < VECTORS_AT_ONCE; at++) store(out + place + at * LANES, LANES, sums[at]);
    }
    for (; place < width; place += LANES) {
        vec sum = {0};
        for (size_t value = 0; value < count; value++)
            sum = multiply_add(splat(weights[value]), load(values + value * stride + place, width - place), sum);
        store(out + place, width - place, sum);
    }
}

static void tanh_all(float *values, size_t count) {
    for (size_t place = 0; place < count; place += LANES)
        store(values + place, count - place, tanh_of(load(values + place, count - place)));
}

static float largest_of(const float *values, size_t count) {
    vec largest = splat(-INFINITY);
    for (size_t place = 0; place < count; place += LANES)
        largest = larger(load_or(values + place, count - place, -INFINITY), largest);
    return largest_lane(largest);
}

/* The sum of e^(value - largest), block by block, so that long rows lose no digits; with `keep` these replace them. */
INLINE float exp_sum(float *values, size_t count, float largest, const int keep) {
    vec sums = {0};
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        size_t end = count - begin < BLOCK ? count : begin + BLOCK;
        vec block = {0};
        for (size_t place = begin; place < end; place += LANES) {
            vec made = exp_of(load_or(values + place, count - place, -INFINITY) - largest);
            if (keep) store(values + place, count - place, made);
            block += made;
        }
        sums += block;
    }
    return sum_of(sums);
}

static void softmax(float *values, size_t count) {
    float largest = largest_of(values, count);
    float sum = exp_sum(values, count, largest == -INFINITY ? 0 : largest, 1);
    float share = sum > 0 ? 1 / sum : sum == 0 ? 0 : sum; /* NaN stays NaN */
    for (size_t place = 0; place < count; place += LANES)
        store(values + place, count - place, load(values + place, count - place) * share);
}

static void log_softmax(float *values, size_t count) {
    float largest = largest_of(values, count);
    float all = largest + logf(exp_sum(values, count, largest, 0));
    for (size_t place = 0; place < count; place += LANES)
        store(values + place, count - place, load(values + place, count - place) - all);
}

static void rnn(const float *given, const float *recurrent, float *hidden, size_t size) {
    for (size_t unit = 0; unit < size; unit += LANES) {
        size_t left = size - unit;
        store(hidden + unit, left, tanh_of(load(given + unit, left) + load(recurrent + unit, left)));
    }
}

static void irnn(const float *given, const float *recurrent, float *hidden, size_t size) {
    for (size_t unit = 0; unit < size; unit += LANES) {
        size_t left = size - unit;
        store(hidden + unit, left, larger(splat(0), load(given + unit, left) + load(recurrent + unit, left)));
    }
}

static void gru(const float *given, const float *recurrent, float *hidden, size_t size) {
    for (size_t unit = 0; unit < size; unit += LANES) {
        size_t left = size - unit;
        vec reset = sigmoid_of(load(given + unit, left) + load(recurrent + unit, left));
        vec update = sigmoid_of(load(given + size + unit, left) + load(recurrent + size + unit, left));
        vec sum = multiply_add(reset, load(recurrent + 2 * size + unit, left), load(given + 2 * size + unit, left));
        vec made = (1 - update) * tanh_of(sum);
        store(hidden + unit, left, multiply_add(update, load(hidden + unit, left), made));
    }
}

INLINE vec gate_sum(const float *given, const float *recurrent, size_t at, size_t left) {
    return load(given + at, left) + load(recurrent + at, left);
}

static void lstm(const float *given, const float *recurrent, float *hidden, float *cell, size_t size) {
    for (size_t unit = 0; unit < size; unit += LANES) {
        size_t left = size - unit;
        vec enter = sigmoid_of(gate_sum(given, recurrent, unit, left));
        vec keep = sigmoid_of(gate_sum(given, recurrent, size + unit, left));
        vec made = tanh_of(gate_sum(given, recurrent, 2 * size + unit, left));
        vec leave = sigmoid_of(gate_sum(given, recurrent, 3 * size + unit, left));
        vec now = multiply_add(keep, load(cell + unit, left), enter * made);
        store(cell + unit, left, now);
        store(hidden + unit, left, leave * tanh_of(now));
    }
}

static void normalize(float *values, size_t count, const float *gain, const float *shift) {
    vec sums = {0}, squares = {0};
    for (size_t place = 0; place < count; place += LANES) sums += load(values + place, count - place);
    float mean = sum_of(sums) / (float)count;
    for (size_t place = 0; place < count; place += LANES) {
        vec away = load_or(values + place, count - place, mean) - mean;
        squares = multiply_add(away, away, squares);
    }
    float scale = 1 / sqrtf(sum_of(squares) / (float)count + 1e-5f);
    for (size_t place = 0; place < count; place += LANES) {
        size_t left = count - place;
        vec away = (load(values + place, left) - mean) * scale;
        store(values + place, left, multiply_add(away, load(gain + place, left), load(shift + place, left)));
    }
}

static void larger_of_pairs(const float *values, float *out, size_t count) {
    for (size_t place = 0; place < count; place += LANES) {
        size_t left = count - place;
        vec low = load(values + 2 * place, 2 * left);
        vec high = load(values + 2 * place + LANES, left_of(2 * left, LANES));
        vec first = evens(low, high), second = odds(low, high);
        ints spoiled = (ints)(first != first); /* NaN stays NaN */
        vec chosen = larger(first, second);
        store(out + place, left, (vec)((spoiled & (ints)first) | (~spoiled & (ints)chosen)));
    }
}
