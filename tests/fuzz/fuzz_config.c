/* fuzz_config: any bytes at all given to config/ and to dwarf/expression.
 *
 * An input that begins with '{' or '[' is a configuration; any other one is an expression, a list of them, a
 * condition, a probe and a pattern. Expressions are evaluated over made-up variables in made-up memory.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of examples, and of files if there are any, the same ones every time: fuzz_config SEED
 * ROUNDS [FILE...] */
#include "config/file.h"
#include "config/pattern.h"
#include "config/place.h"
#include "config/print.h"
#include "dwarf/expression_operand.h"
#include "dwarf/value.h"
#include "tests/fuzz/smoke.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- configurations ---- */

/* What was accepted must survive being printed and read again. */
static void try_configuration(const char *text, size_t size) {
    struct trace_options options, again;
    struct buffer first = {0}, second = {0};
    trace_options_init(&options);
    trace_options_init(&again);
    struct error *err = config_read_text(text, size, "fuzz", &options);
    if (!err) {
        option_print_json(&options, &first);
        require(!config_read_text((char *)first.data, first.size, "again", &again),
                "printed and not read again");
        option_print_json(&again, &second);
        require(first.size == second.size && !memcmp(first.data, second.data, first.size),
                "read as something else");
    }
    error_free(err);
    trace_options_deinit(&options);
    trace_options_deinit(&again);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

/* ---- made-up variables ---- */

static struct type pointer, array, node, anonymous, broken, reference, flags;

static struct type_member node_members[] = {
    {.name = "n", .bit_offset = 0},
    {.name = "next", .offset = 8, .bit_offset = 64},
    {.name = "low", .offset = 0, .bit_offset = 35, .bit_size = 5},
    {.name = NULL, .offset = 16, .bit_offset = 128},
    {.name = "list", .offset = 24, .bit_offset = 192},
};
static struct type_member inner_members[] = {{.name = "deep"},
                                             {.name = "far", .offset = 1000, .bit_offset = 8000}};
static struct type_member broken_members[] = {{.name = "self"}, {.name = NULL}};
static struct type_dimension dimensions[2] = {{.known = true, .count = 3}, {.known = true, .count = 4}};
static struct type_enumerator enumerators[] = {{"OFF", 0}, {"ON", 1}};

static void make_types(void) {
    const struct type *number = basic_type(BASIC_INT);
    pointer = (struct type){.kind = TYPE_POINTER,
                            .name = (char[]){"node *"},
                            .base_name = (char[]){""},
                            .size = 8,
                            .has_size = true,
                            .target = &node,
                            .completed = true};
    array = (struct type){.kind = TYPE_ARRAY,
                          .name = (char[]){"short [3][4]"},
                          .base_name = (char[]){""},
                          .size = 24,
                          .has_size = true,
                          .target = basic_type(BASIC_SHORT),
                          .dimensions = dimensions,
                          .dimension_count = 2,
                          .completed = true};
    anonymous = (struct type){.kind = TYPE_UNION,
                              .name = (char[]){"union {...}"},
                              .base_name = (char[]){""},
                              .size = 8,
                              .has_size = true,
                              .members = inner_members,
                              .member_count = 2,
                              .completed = true};
    inner_members[0].type = basic_type(BASIC_LONG);
    inner_members[1].type = basic_type(BASIC_LONG_DOUBLE);
    node = (struct type){.kind = TYPE_STRUCT,
                         .name = (char[]){"node"},
                         .base_name = (char[]){"node"},
                         .size = 48,
                         .has_size = true,
                         .members = node_members,
                         .member_count = 5,
                         .completed = true};
    node_members[0].type = number;
    node_members[1].type = &pointer;
    node_members[2].type = basic_type(BASIC_UNSIGNED_INT);
    node_members[3].type = &anonymous;
    node_members[4].type = &array;
    /* A struct that holds itself: no compiler writes this. */
    broken = (struct type){.kind = TYPE_STRUCT,
                           .name = (char[]){"broken"},
                           .base_name = (char[]){"broken"},
                           .size = 8,
                           .has_size = true,
                           .members = broken_members,
                           .member_count = 2,
                           .completed = true};
    broken_members[0].type = broken_members[1].type = &broken;
    reference = (struct type){.kind = TYPE_REFERENCE,
                              .name = (char[]){"node &"},
                              .base_name = (char[]){""},
                              .size = 8,
                              .has_size = true,
                              .target = &node,
                              .completed = true};
    flags = (struct type){.kind = TYPE_ENUM,
                          .name = (char[]){"flags"},
                          .base_name = (char[]){"flags"},
                          .size = 4,
                          .has_size = true,
                          .enumerators = enumerators,
                          .enumerator_count = 2,
                          .completed = true};
}

static enum operand_state resolve(void *context, const char *name, struct expression_operand *ret) {
    static const uint8_t bytes[64] = {1, 2, 3, 0xff, 0x80};
    const struct type *all[] = {&pointer, &array, &node, &anonymous, &broken, &reference, &flags};
    (void)context;
    unsigned sum = 0;
    for (const char *at = name; *at; at++)
        sum = sum * 31 + (unsigned char)*at;
    if (sum % 29 < 3)
        return sum % 29 + 1;
    sum /= 29;
    ret->type = sum % 3
                    ? all[sum / 3 % 7]
                    : basic_type((enum basic_type)(BASIC_BOOL + sum / 3 % (BASIC_NULLPTR - BASIC_BOOL + 1)));
    ret->in_memory = sum / 64 % 2;
    ret->address = (uint64_t)sum << (sum % 50);
    if (!ret->in_memory)
        buffer_put(ret->bytes, bytes, sum % 5 ? ret->type->size : sum % 7);
    return OPERAND_OK;
}

static const struct type *find_type(void *context, const char *name) {
    (void)context;
    return *name == 'n' ? &node : *name == 'b' ? &broken : *name == 'f' ? &flags : NULL;
}

/* Every byte says where it is; a part of the addresses is not there. */
static size_t read_memory(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    if (address >> 60)
        return 0;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)ret)[i] = (uint8_t)((address + i) * 2654435761u >> 24);
    return size;
}

/* ---- expressions ---- */

static size_t evaluated; /* so that the smoke test knows that it reached the depths */

static void try_evaluation(const struct expression *expression) {
    const struct memory_reader memory = {read_memory, NULL};
    const struct expression_scope scope = {resolve, find_type, NULL, &memory};
    struct expression_trouble trouble = {0};
    struct buffer json = {0}, type = {0};
    bool good = expression_render(expression, &scope, &value_default_options, &json, &type, &trouble);
    require(json.size > 0, "no value");
    require(good || (trouble.column >= 1 && trouble.column <= strlen(expression_text(expression)) &&
                     *trouble.why),
            "unknown without a reason");
    /* An array is true even if it cannot be read. */
    enum expression_truth truth = expression_test(expression, &scope, &trouble);
    require(truth != EXPRESSION_UNKNOWN || *trouble.why, "unknown without a reason");
    evaluated += good;
    buffer_deinit(&json);
    buffer_deinit(&type);
}

static void try_expressions(const char *text) {
    struct expression *expression, **list;
    size_t count = 0;
    struct error *err = expression_parse(text, &expression);
    if (!err) {
        try_evaluation(expression);
        expression_destroy(expression);
    }
    bool good = !err;
    error_free(err);
    err = expression_parse_list(text, &list, &count);
    require(err || count >= 1, "an empty list");
    require(!good || (!err && count == 1), "an expression is no list of one");
    for (size_t i = 0; !err && i < count; i++)
        try_evaluation(list[i]);
    if (!err)
        expression_list_destroy(list, count);
    error_free(err);
}

static void try_places(const char *text) {
    struct condition_place condition;
    struct probe_place probe;
    struct text_list texts = {0};
    struct pattern_list *patterns;
    struct error *err = condition_place_parse(text, &condition);
    if (!err)
        condition_place_deinit(&condition);
    error_free(err);
    err = probe_place_parse(text, &probe);
    if (!err)
        probe_place_deinit(&probe);
    error_free(err);
    require(pattern_base_length(text) <= strlen(text) &&
                pattern_item_length(text, PATTERN_FUNCTION) <= strlen(text) &&
                pattern_item_length(text, PATTERN_PATH) <= strlen(text),
            "a length beyond the end");
    for (int kind = PATTERN_FUNCTION; kind <= PATTERN_PATH && !text_list_add(&texts, text, strlen(text));
         kind++) {
        err = pattern_list_create(&texts, kind, &patterns);
        if (!err) {
            pattern_list_matches(patterns, "shop::Cart<int>::add(int)", "_Z3addi");
            if (kind == PATTERN_PATH || strlen(text) < 64) /* regular expressions may be slow on long names */
                pattern_list_matches(patterns, text, NULL);
            pattern_list_destroy(patterns);
        }
        error_free(err);
    }
    text_list_deinit(&texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!node.name)
        make_types();
    char *text = malloc(size + 1); /* exactly as big, so that ASAN sees a read beyond */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    if (*text == '{' || *text == '[')
        try_configuration(text, size);
    else {
        try_expressions(text);
        try_places(text);
    }
    free(text);
    return 0;
}

#ifdef FUZZ_SMOKE

enum { TEXT_MOST = 1 << 13 };

static const char *const examples[] = {
    "a + b * c - d / e % f << 2 >> 1 & g | h ^ ~i",
    "p->next->n == 5 && q.list[1][2] > 3.5 || !r",
    "(unsigned char)x[3] == 0x47 ? y : z",
    "sizeof(struct node) + sizeof s",
    "name == \"text\\n\" && 'c' < w",
    "*p, &q, p[0], p + 1, q - p, -t",
    "(struct node *)u ? *v : 1.5f",
    "flags == ON",
    "::a::b.deep",
    "far.low + n.n",
    "((((((1))))))",
    "shop::Cart<int>::add(int): len > 80",
    "src/shop.c:42: total, cart->n",
    "/^parse_(line|word)$/",
    "std::*,operator<<,f(int, char)",
    "1 ? 2 : 3 ? 4 : 5",
    "0x1.8p3 + 077 + 0b11 + 1e5L + 'ab'",
    "{\"level\": \"full\", \"sample\": 5, \"exclude_patterns\": [\"std::*\", \"b\"], \"trace_syscalls\": "
    "true}",
    "{\"conditions\": [\"f: x > 1\"], \"probes\": [\"a.c:1: x\"], \"buffer_size\": \"64K\", \"output\": "
    "\"a\\u00e4b\", \"max_call_depth\": 1e2}",
    "{\"format\": \"jsonl\", \"debug_dir\": null, \"include_patterns\": [\"/a,b/\"], \"max_trace_size_mb\": "
    "7}"};

/* What makes parsers stumble. */
static const char *const words[] = {"(",
                                    ")",
                                    "[",
                                    "]",
                                    "{",
                                    "}",
                                    ",",
                                    ":",
                                    "::",
                                    "?",
                                    ".",
                                    "->",
                                    "*",
                                    "&",
                                    "-",
                                    "!",
                                    "~",
                                    "<<",
                                    "%",
                                    "/",
                                    "==",
                                    "=",
                                    "\"",
                                    "'",
                                    "\\",
                                    "sizeof ",
                                    "(int)",
                                    "(n *)",
                                    "(b *)",
                                    "(char)",
                                    "(long double)",
                                    "0",
                                    "1",
                                    "0x7fffffffffffffff",
                                    "18446744073709551615u",
                                    "1e4000L",
                                    "-1",
                                    "\"x\"",
                                    "nullptr",
                                    "a",
                                    "n",
                                    "next",
                                    "deep",
                                    "far",
                                    "low",
                                    "list",
                                    "this",
                                    "true",
                                    "null",
                                    "\\u0000",
                                    "1e999",
                                    "[[[[[[[[",
                                    "((((((((",
                                    "operator",
                                    "<",
                                    ">",
                                    "\n",
                                    "\xff",
                                    "\xc3\xa4",
                                    "**",
                                    "[!",
                                    "/*/"};

/* Replace up to 8 bytes somewhere by a word, or by one byte. */
static size_t mutate(char *text, size_t size) {
    size_t at = next_random() % (size + 1), cut = next_random() % 3 ? 0 : next_random() % 8;
    char byte[2] = {(char)next_random(), 0};
    const char *word = next_random() % 4 ? words[next_random() % (sizeof(words) / sizeof(words[0]))] : byte;
    size_t added = word == byte ? 1 : strlen(word);
    cut = cut < size - at ? cut : size - at;
    if (size - cut + added > TEXT_MOST)
        return size;
    memmove(text + at + added, text + at + cut, size - at - cut);
    memcpy(text + at, word, added);
    return size - cut + added;
}

static void run_mutations(const uint8_t *seed, size_t size, unsigned long rounds) {
    static char text[TEXT_MOST];
    size = size < TEXT_MOST ? size : TEXT_MOST;
    for (unsigned long i = 0; i < rounds; i++) {
        size_t mutated = size;
        memcpy(text, seed, size);
        for (uint64_t count = 1 + next_random() % 12; count; count--)
            mutated = mutate(text, mutated);
        LLVMFuzzerTestOneInput((const uint8_t *)text, mutated);
    }
}

static void run_example(const char *text, unsigned long rounds) {
    LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
    run_mutations((const uint8_t *)text, strlen(text), rounds);
}

int main(int argc, char **argv) {
    const size_t count = sizeof(examples) / sizeof(examples[0]);
    int failed = 0;
    unsigned long rounds;
    if (!smoke_begin(argc, argv, 0, &rounds))
        return 2;
    for (size_t i = 0; i < count; i++)
        run_example(examples[i], rounds / count);
    for (int i = 3; i < argc; i++)
        failed |= smoke_file(argv[i], TEXT_MOST, rounds, run_mutations);
    require(evaluated > 0, "nothing was evaluated");
    return failed;
}

#endif
