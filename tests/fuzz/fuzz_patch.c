/* fuzz_patch: any bytes at all taken for a module whose code is to be patched.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files for a while, the same ones every time: fuzz_patch SEED ROUNDS FILE... */
#include "tests/fuzz/smoke.h"
#include "tracer/patch_window.h"

#define WISHES 400

/* Windows must be disjoint, in order, and inside of the code. */
static void check_plan(const struct patch_plan *plan) {
    uint64_t end = plan->code->low;
    for (size_t i = 0; i < plan->count; i++) {
        const struct patch_window *window = &plan->windows[i];
        require(window->low >= end && window->high > window->low && window->high <= plan->code->high,
                "windows overlap, or leave the code");
        end = window->high;
    }
}

static void use_code(const struct patch_code *code) {
    struct patch_plan plan = {.code = code};
    struct patch_wish wishes[WISHES];
    size_t count = 0;
    for (uint64_t at = code->low; at < code->high && count < WISHES; at++)
        if (patch_code_is_start(code, at))
            wishes[count++] = (struct patch_wish){.vaddr = at};
    struct error *err = patch_plan_add(&plan, wishes, count);
    if (!err)
        check_plan(&plan);
    error_free(err);
    patch_plan_deinit(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct elf_image image;
    struct unwind_table *unwind = NULL;
    struct patch_code *code = NULL;
    struct error *err = elf_image_init(&image, data, size, "fuzz");
    if (err) {
        error_free(err);
        return 0;
    }
    err = unwind_table_create(&image, NULL, &unwind);
    if (!err)
        err = patch_code_create(&image, unwind, &code);
    if (!err)
        use_code(code);
    error_free(err);
    patch_code_destroy(code);
    unwind_table_destroy(unwind);
    elf_image_deinit(&image);
    return 0;
}

#ifdef FUZZ_SMOKE

#define SEED_MAX (256 << 10)

static void run_mutation(const uint8_t *seed, size_t size) {
    uint8_t *data = smoke_copy(seed, size);
    for (uint64_t count = next_random() % 8; size && count; count--) {
        struct area area = {0, next_random() & 1 && size > 1024 ? 1024 : size};
        smoke_poke(data, size, area, next_random() & 1 ? nasty_number() : next_random());
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static void run(const uint8_t *seed, size_t size, unsigned long rounds) {
    for (unsigned long i = 0; i < rounds; i++)
        run_mutation(seed, size);
}

int main(int argc, char **argv) {
    return smoke_main(argc, argv, SEED_MAX, run);
}

#endif
