#include "tracer/selection.h"

#include "config/place.h"

#include <stdlib.h>
#include <string.h>

void selection_destroy(struct selection *selection) {
    if (!selection)
        return;
    pattern_list_destroy(selection->functions);
    pattern_list_destroy(selection->excluded_functions);
    pattern_list_destroy(selection->modules);
    pattern_list_destroy(selection->excluded_modules);
    pattern_list_destroy(selection->files);
    for (size_t i = 0; i < selection->condition_count; i++) {
        pattern_list_destroy(selection->conditions[i].function);
        expression_destroy(selection->conditions[i].expression);
    }
    free(selection->conditions);
    for (size_t i = 0; i < selection->probe_count; i++) {
        free(selection->probes[i].file);
        expression_list_destroy(selection->probes[i].expressions, selection->probes[i].count);
    }
    free(selection->probes);
    free(selection);
}

static struct error *compile_condition(const char *text, struct condition_text *ret) {
    struct condition_place place;
    TRY(condition_place_parse(text, &place));
    struct text_list list = {0};
    struct error *err = text_list_add(&list, place.function, strlen(place.function));
    if (!err)
        err = pattern_list_create(&list, PATTERN_FUNCTION, &ret->function);
    if (!err)
        err = expression_parse(place.expression, &ret->expression);
    text_list_deinit(&list);
    condition_place_deinit(&place);
    return error_context(err, "--when '%s'", text);
}

static struct error *compile_probe(const char *text, struct probe_text *ret) {
    struct probe_place place;
    TRY(probe_place_parse(text, &place));
    ret->text = text;
    ret->line = place.line;
    ret->file = strdup(place.file);
    struct error *err = ret->file ? expression_parse_list(place.expressions, &ret->expressions, &ret->count)
                                  : &error_no_memory;
    probe_place_deinit(&place);
    return error_context(err, "--at '%s'", text);
}

static struct error *compile_texts(struct selection *selection) {
    const struct trace_options *options = selection->options;
    selection->conditions = calloc(options->conditions.count + 1, sizeof(*selection->conditions));
    selection->probes = calloc(options->probes.count + 1, sizeof(*selection->probes));
    if (!selection->conditions || !selection->probes)
        return &error_no_memory;
    for (size_t i = 0; i < options->conditions.count; i++) {
        selection->condition_count++;
        TRY(compile_condition(options->conditions.items[i], &selection->conditions[i]));
    }
    for (size_t i = 0; i < options->probes.count; i++) {
        selection->probe_count++;
        TRY(compile_probe(options->probes.items[i], &selection->probes[i]));
    }
    return NULL;
}

static struct error *compile(struct selection *selection) {
    const struct trace_options *options = selection->options;
    TRY(pattern_list_create(&options->include_patterns, PATTERN_FUNCTION, &selection->functions));
    TRY(pattern_list_create(&options->exclude_patterns, PATTERN_FUNCTION, &selection->excluded_functions));
    TRY(pattern_list_create(&options->include_modules, PATTERN_PATH, &selection->modules));
    TRY(pattern_list_create(&options->exclude_modules, PATTERN_PATH, &selection->excluded_modules));
    TRY(pattern_list_create(&options->file_patterns, PATTERN_PATH, &selection->files));
    return compile_texts(selection);
}

struct error *selection_create(const struct trace_options *options, struct selection **ret) {
    struct selection *selection = calloc(1, sizeof(*selection));
    if (!selection)
        return &error_no_memory;
    selection->options = options;
    struct error *err = compile(selection);
    if (err) {
        selection_destroy(selection);
        return err;
    }
    *ret = selection;
    return NULL;
}

bool selection_has_module(const struct selection *selection, const char *name, bool is_program) {
    if (pattern_list_matches(selection->excluded_modules, name, NULL))
        return false;
    if (pattern_list_is_empty(selection->modules))
        return is_program;
    return pattern_list_matches(selection->modules, name, NULL);
}

/* What the compiler's start-up files bring along; nobody means these. */
static bool is_startup(const char *name) {
    static const char *const names[] = {"_start",
                                        "_init",
                                        "_fini",
                                        "_dl_relocate_static_pie",
                                        "deregister_tm_clones",
                                        "register_tm_clones",
                                        "__do_global_dtors_aux",
                                        "frame_dummy",
                                        "__libc_csu_init",
                                        "__libc_csu_fini"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Code of a library that stands in headers, or is linked in with its debug information (Rust's). */
static bool is_library_file(const char *file) {
    static const char *const folders[] = {"/usr/include/", "/usr/lib/", "/usr/local/include/", "/rustc/"};
    for (size_t i = 0; file && i < sizeof(folders) / sizeof(folders[0]); i++)
        if (strncmp(file, folders[i], strlen(folders[i])) == 0)
            return true;
    return file && (strstr(file, "/.cargo/registry/") || strstr(file, "/lib/rustlib/"));
}

bool selection_has_function(const struct selection *selection, const struct function *function,
                            bool has_lines) {
    const char *name = function->display, *linkage = function->linkage_name;
    if (pattern_list_matches(selection->excluded_functions, name, linkage) || function->ifunc)
        return false;
    if (!pattern_list_is_empty(selection->files) &&
        (!function->file || !pattern_list_matches(selection->files, function->file, NULL)))
        return false;
    if (!pattern_list_is_empty(selection->functions))
        return pattern_list_matches(selection->functions, name, linkage);
    if (!pattern_list_is_empty(selection->files))
        return true;
    if (has_lines && function->source != FUNCTION_DWARF)
        return false;
    return !is_startup(function->name) && !is_library_file(function->file);
}

bool condition_matches(struct condition_text *condition, const struct function *function) {
    if (!pattern_list_matches(condition->function, function->display, function->linkage_name))
        return false;
    condition->matched = true;
    return true;
}
