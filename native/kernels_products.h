/* Products with packed weights, once for all vector instruction sets; included after kernels_body.h. The file of a set
 * has defined, beside what stands there,
 *
 *     TILE_ROWS            rows of a tile at most
 *     DEPTH                inputs after which other rows take their turn: weights of a tile stay in a core's cache
 *     TILES                TILE(rows, panels) for every tile that is made: for each number of rows 1 panel at least
 *     panels_of(rows)      panels of a tile of so many rows
 *
 *     level                whole number type of an input: int16_t, or int8_t or uint8_t
 *     MOST_LEVELS, SHIFT   inputs have levels from -MOST_LEVELS to MOST_LEVELS, stored with SHIFT added
 *     SUMS                 vectors of whole sums for a panel
 *     LEVEL_ROWS, LEVEL_TILES, level_panels_of(rows)   as above
 *     quad                 four inputs, as often as they fit into a vector
 *     quad_of(levels)      which begin here
 *     add_quad(sum, weights, quad)   the sum with products of a vector of weights, from the place given, added
 *     finish(sums, whole)  from SUMS vectors to one whole number for each output
 *     whole_of(numbers)    the nearest whole numbers, of two the even one
 *
 * A tile is some rows times some panels, whose sums stay in registers while it goes through the inputs. Rows and panels
 * are constants in every copy of it that is made. Each output is added up in the order of the inputs, whatever the
 * tile: so a row's numbers are the same alone and among others.
 */

enum {
    MOST_SUMS = 24,             /* vectors of a tile */
    VECTORS = SW_PANEL / LANES, /* of a panel */
    LEVEL_ROOM = 32768,         /* bytes of inputs as levels, on the stack */
    BLOCK_ROWS = LEVEL_ROOM / (SW_CHUNK * sizeof(level))
};

typedef struct part { /* the inputs from `first` on, of all rows */
    const sw_linear *map;
    const float *in;
    float *out;
    size_t in_stride, out_stride, first, inputs;
    int add; /* onto what is there, otherwise onto the bias */
    const level *levels; /* int8: (rows, inputs in fours) */
    const float *steps;  /* int8: of each row */
} part;

typedef level narrow __attribute__((vector_size(LANES * sizeof(level))));

static size_t smaller_size(size_t a, size_t b) { return a < b ? a : b; }

INLINE vec begin_sum(const part *of, size_t row, size_t output) {
    if (!of->add) return load_all(of->map->bias + output);
    return load(of->out + row * of->out_stride + output, left_of(of->map->outputs, output));
}

INLINE void end_sum(const part *of, size_t row, size_t output, vec sum) {
    size_t left = left_of(of->map->outputs, output);
    if (left) store(of->out + row * of->out_stride + output, left, sum);
}

INLINE void tile(const part *of, size_t row, size_t panel, const size_t rows, const size_t panels) {
    size_t panel_size = of->map->inputs * SW_PANEL, in_stride = of->in_stride;
    const float *weights = of->map->weights + panel * panel_size + of->first * SW_PANEL;
    const float *in = of->in + row * in_stride + of->first;
    vec sums[MOST_SUMS];
    EACH(size_t r = 0; r < rows; r++)
        EACH(size_t v = 0; v < panels * VECTORS; v++)
            sums[r * panels * VECTORS + v] = begin_sum(of, row + r, panel * SW_PANEL + v * LANES);
    for (size_t input = 0; input < of->inputs; input++) {
        vec these[MOST_SUMS];
        EACH(size_t v = 0; v < panels * VECTORS; v++)
            these[v] = load_all(weights + v / VECTORS * panel_size + input * SW_PANEL + v % VECTORS * LANES);
        EACH(size_t r = 0; r < rows; r++) {
            vec number = splat(in[r * in_stride + input]);
            EACH(size_t v = 0; v < panels * VECTORS; v++)
                sums[r * panels * VECTORS + v] = multiply_add(number, these[v], sums[r * panels * VECTORS + v]);
        }
    }
    EACH(size_t r = 0; r < rows; r++)
        EACH(size_t v = 0; v < panels * VECTORS; v++)
            end_sum(of, row + r, panel * SW_PANEL + v * LANES, sums[r * panels * VECTORS + v]);
}

#define TILE(rows, panels) \
    case 16 * (rows) + (panels): tile(of, row, panel, (rows), (panels)); return;

static void run_tile(const part *of, size_t row, size_t rows, size_t panel, size_t panels) {
    switch (16 * rows + panels) { TILES }
}

/* Panels [panel, panel + panels) of every row. */
typedef void tile_runner(const part *of, size_t row, size_t rows, size_t panel, size_t panels);

INLINE void run_tiles(const part *of, size_t rows, size_t most_rows, size_t side_by_side, tile_runner *run) {
    size_t all = (of->map->outputs + SW_PANEL - 1) / SW_PANEL;
    for (size_t panel = 0, panels; panel < all; panel += panels) {
        panels = smaller_size(side_by_side, all - panel);
        if (panels < side_by_side && rows > 1) panels = 1; /* the rest of one row has a tile of its own */
        for (size_t row = 0; row < rows; row += most_rows)
            run(of, row, smaller_size(most_rows, rows - row), panel, panels);
    }
}

/* Of many rows, the weights of some inputs to some outputs serve all, and then the next ones: so they are read once. */
static void product(part *of, size_t rows) {
    size_t inputs = of->map->inputs, depth = rows > TILE_ROWS ? DEPTH : inputs;
    size_t side_by_side = panels_of(smaller_size(rows, TILE_ROWS));
    do {
        of->inputs = smaller_size(depth, inputs - of->first);
        run_tiles(of, rows, TILE_ROWS, side_by_side, run_tile);
        of->first += of->inputs;
        of->add = 1;
    } while (of->first < inputs);
}

INLINE void level_tile(const part *of, size_t row, size_t panel, const size_t rows, const size_t panels) {
    const sw_linear *map = of->map;
    size_t fours = (of->inputs + 3) / 4, panel_size = (map->inputs + 3) / 4 * 4 * SW_PANEL;
    const int8_t *weights = map->levels + panel * panel_size + of->first * SW_PANEL;
    const level *levels = of->levels + row * fours * 4;
    level ones[4] = {1, 1, 1, 1};
    quad one = quad_of(ones);
    ints sums[MOST_SUMS] = {{0}}, shifted[MOST_SUMS] = {{0}};
    for (size_t four = 0; four < fours; four++) {
        quad these[MOST_SUMS];
        EACH(size_t r = 0; r < rows; r++) these[r] = quad_of(levels + (r * fours + four) * 4);
        EACH(size_t v = 0; v < panels * SUMS; v++) {
            const int8_t *from = weights + v / SUMS * panel_size + (four * SUMS + v % SUMS) * (4 * SW_PANEL / SUMS);
            if (SHIFT) shifted[v] = add_quad(shifted[v], from, one);
            EACH(size_t r = 0; r < rows; r++)
                sums[r * panels * SUMS + v] = add_quad(sums[r * panels * SUMS + v], from, these[r]);
        }
    }
    EACH(size_t r = 0; r < rows; r++)
        EACH(size_t p = 0; p < panels; p++) {
            ints whole[VECTORS];
            EACH(size_t v = 0; v < SUMS; v++)
                if (SHIFT) sums[(r * panels + p) * SUMS + v] -= SHIFT * shifted[p * SUMS + v];
            finish(sums + (r * panels + p) * SUMS, whole);
            EACH(size_t v = 0; v < VECTORS; v++) {
                size_t output = (panel + p) * SW_PANEL + v * LANES;
                vec scale = of->steps[row + r] * load_all(map->scales + output);
                vec begin = begin_sum(of, row + r, output);
                end_sum(of, row + r, output, multiply_add(__builtin_convertvector(whole[v], vec), scale, begin));
            }
        }
}

#undef TILE
#define TILE(rows, panels) \
    case 16 * (rows) + (panels): level_tile(of, row, panel, (rows), (panels)); return;

static void run_level_tile(const part *of, size_t row, size_t rows, size_t panel, size_t panels) {
    switch (16 * rows + panels) { LEVEL_TILES }
}

/* Whole levels of a row's inputs, zeros up to a multiple of four, and up to LANES numbers of anything after them. Gives
 * what a level stands for: NaN when an input is not finite. */
static float to_levels(const float *in, size_t inputs, level *levels) {
    vec largest = {0}, spoiled = {0}; /* the second is NaN once a number is not finite */
    for (size_t at = 0; at < inputs; at += LANES) {
        vec number = load(in + at, inputs - at);
        spoiled += number - number;
        largest = larger((vec)((words)number & 0x7fffffffu), largest);
    }
    float inverse, step = sw_level_step(largest_lane(largest), MOST_LEVELS, inputs, &inverse);
    for (size_t at = 0; at < (inputs + 3) / 4 * 4; at += LANES) {
        ints whole = whole_of(load(in + at, left_of(inputs, at)) * inverse) + SHIFT;
        narrow some = __builtin_convertvector(whole, narrow);
        memcpy(levels + at, &some, sizeof some);
    }
    return step + sum_of(spoiled);
}

/* Inputs become levels once, and then serve all panels. */
static void level_product(const part *of, size_t rows) {
    level levels[LEVEL_ROOM / sizeof(level) + LANES] __attribute__((aligned(64)));
    float steps[BLOCK_ROWS];
    size_t inputs = of->map->inputs;
    for (size_t row = 0, here; row < rows; row += here) {
        here = smaller_size(BLOCK_ROWS, rows - row);
        part block = *of;
        block.levels = levels;
        block.steps = steps;
        block.in += row * of->in_stride;
        block.out += row * of->out_stride;
        size_t side_by_side = level_panels_of(smaller_size(here, LEVEL_ROWS));
        do {
            block.inputs = smaller_size(SW_CHUNK, inputs - block.first);
            for (size_t r = 0; r < here; r++)
                steps[r] = to_levels(block.in + r * of->in_stride + block.first, block.inputs,
                                     levels + r * ((block.inputs + 3) / 4 * 4));
            run_tiles(&block, here, LEVEL_ROWS, side_by_side, run_level_tile);
            block.first += block.inputs;
            block.add = 1;
        } while (block.first < inputs);
    }
}

static void linear(const sw_linear *map, const float *in, size_t in_stride, float *out, size_t out_stride, size_t rows,
                   int add) {
    part all = {.map = map, .in = in, .out = out, .in_stride = in_stride, .out_stride = out_stride, .add = add};
    if (map->precision == SW_INT8) level_product(&all, rows);
    else product(&all, rows);
}
