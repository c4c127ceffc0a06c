/* fuzz_dwarf: any bytes at all given to modules: an ELF file with debug information, read in every way there
 * is.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files, the same ones every time: fuzz_dwarf SEED ROUNDS FILE... Seeds are best
 * small programs with debug information. LIBDWARF=1 in the environment also has libdwarf read what
 * module_check_die() lets through. */
#include "dwarf/evaluation.h"
#include "dwarf/line.h"
#include "tests/fuzz/smoke.h"

#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUNCTIONS_MAX 200 /* looked at closely */
#define DIES_MAX      200

static size_t no_memory_read(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    memset(ret, (int)(address >> 3), size);
    return size;
}

static struct module *module_at(void *context, uint64_t address, uint64_t *ret_bias) {
    (void)address;
    *ret_bias = 0;
    return context;
}

static void locate(struct module *module, const struct function *function,
                   const struct variables *variables) {
    struct frame_registers registers = {.known = 0x1ffff};
    struct memory_reader memory = {no_memory_read, NULL};
    struct evaluation_callbacks callbacks = {.context = module, .module_at = module_at};
    struct evaluation evaluation;
    for (unsigned i = 0; i < FRAME_REGISTERS; i++)
        registers.value[i] = function->entry;
    registers.value[FRAME_RIP] = function->entry + 4;
    struct error *err = evaluation_init(&evaluation, module, function, 0, &registers, &memory, &callbacks);
    for (size_t i = 0; !err && i < variables->count; i++) {
        struct location location;
        uint8_t bytes[64];
        struct error *failed = variable_locate(&evaluation, &variables->variables[i], &location);
        if (!failed) {
            location_read(&location, &evaluation.context, 64, bytes);
            location_deinit(&location);
        }
        error_free(failed);
    }
    error_free(err);
}

/* libdwarf, as dwarf/type.c uses it: a DIE and the types behind it. */
static void show_libdwarf(struct module *module, const struct die_place *place, unsigned depth) {
    Dwarf_Debug dwarf = place->file ? module_file_dwarf(module, place->file) : NULL;
    struct error *err = dwarf ? module_check_die(module, place) : NULL;
    Dwarf_Die die;
    Dwarf_Error error = NULL;
    char *name;
    if (!dwarf || err || depth > 8 ||
        dwarf_offdie_b(dwarf, place->offset, !place->in_types, &die, &error) != DW_DLV_OK) {
        error_free(err);
        return;
    }
    if (dwarf_diename(die, &name, &error) == DW_DLV_OK && strlen(name) > 1 << 20)
        abort();
    Dwarf_Attribute type;
    Dwarf_Off offset;
    Dwarf_Die child;
    if (dwarf_child(die, &child, &error) == DW_DLV_OK)
        dwarf_dealloc(dwarf, child, DW_DLA_DIE);
    if (dwarf_attr(die, DW_AT_type, &type, &error) == DW_DLV_OK) {
        if (dwarf_global_formref(type, &offset, &error) == DW_DLV_OK)
            show_libdwarf(module, &(struct die_place){place->file, offset, false}, depth + 1);
        dwarf_dealloc(dwarf, type, DW_DLA_ATTR);
    }
    dwarf_dealloc(dwarf, die, DW_DLA_DIE);
}

static void use_function(struct module *module, const struct function *function) {
    const struct inlined *inlined;
    const struct call_site *sites;
    struct variables variables;
    struct line_rows rows;
    struct line_row row;
    size_t count;
    error_free(function_inlined(module, function, &inlined, &count));
    error_free(function_call_sites(module, function, &sites, &count));
    struct error *err = function_variables(module, function, &variables);
    if (!err)
        locate(module, function, &variables);
    for (size_t i = 0; !err && getenv("LIBDWARF") && i < variables.count && i < DIES_MAX; i++)
        show_libdwarf(module, &variables.variables[i].type, 0);
    error_free(err);
    err = function_lines(module, function, &rows);
    if (!err)
        free((void *)rows.rows);
    error_free(err);
    function_body(module, function);
    error_free(module_line_at(module, function->entry, &row));
}

static void use_module(struct module *module) {
    struct function_list list;
    const struct variable *global;
    uint64_t *addresses;
    size_t count;
    unsigned line;
    struct error *err = module_functions(module, &(struct function_query){0}, &list);
    for (size_t i = 0; !err && i < list.count && i < FUNCTIONS_MAX; i++)
        use_function(module, list.functions[i]);
    if (!err)
        function_list_deinit(&list);
    error_free(err);
    error_free(module_global(module, "answer", &global));
    err = module_line_addresses(module, "main.c", 15, &addresses, &count, &line);
    if (!err)
        free(addresses);
    error_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct module *module;
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    struct error *err = module_open(fd, "/nonexistent/fuzz", NULL, &module);
    close(fd);
    if (!err) {
        use_module(module);
        module_close(module);
    }
    error_free(err);
    return 0;
}

#ifdef FUZZ_SMOKE

#include "dwarf/elf.h"

#define SEED_MAX (1 << 20)

/* Where a change goes: mostly into a section of debug information, picked evenly, since they differ in size.
 */
static struct area pick_area(const struct elf_image *image, size_t size) {
    static const char *const names[] = {
        ".debug_info",     ".debug_abbrev",      ".debug_line", ".debug_loclists", ".debug_loc",
        ".debug_rnglists", ".debug_ranges",      ".debug_addr", ".debug_aranges",  ".debug_str",
        ".debug_line_str", ".debug_str_offsets", ".symtab",     ".eh_frame"};
    struct elf_section section;
    struct area area = {0, next_random() & 1 && size > 64 ? 64 : size};
    if (next_random() % 8 && image && elf_find_section(image, names[next_random() % 14], &section) &&
        section.size && elf_bytes(image, section.offset, section.size))
        area = (struct area){section.offset, section.size};
    return area;
}

static void run_mutation(const uint8_t *seed, size_t size, const struct elf_image *image) {
    uint8_t *data = smoke_copy(seed, size);
    for (uint64_t count = next_random() % 8 + 1; count; count--)
        smoke_poke(data, size, pick_area(image, size), next_random() & 1 ? nasty_number() : next_random());
    LLVMFuzzerTestOneInput(data, next_random() % 16 ? size : next_random() % size + 1);
    free(data);
}

static void run(const uint8_t *seed, size_t size, unsigned long rounds) {
    struct elf_image image;
    struct error *err = elf_image_init(&image, seed, size, "seed");
    for (unsigned long i = 0; size && i < rounds; i++)
        run_mutation(seed, size, err ? NULL : &image);
    if (!err)
        elf_image_deinit(&image);
    error_free(err);
}

int main(int argc, char **argv) {
    return smoke_main(argc, argv, SEED_MAX, run);
}

#endif
