/* The rows. Headings, order and help texts are what `--help`, `reel config --list` and reel-config(5) show.
 */
#include "config/option.h"

#define FIELD(name) .key = #name, .offset = offsetof(struct trace_options, name)

static const char *const level_words[] = {"", "minimal", "standard", "full", NULL};
static const char *const probe_words[] = {"auto", "jump", "trap", NULL};
static const char *const timestamp_words[] = {"none", "coarse", "full", NULL};
static const char *const format_words[] = {"json", "jsonl", NULL};

const struct option_row option_rows[] = {
    {FIELD(level), .name = "level", .type = OPTION_ENUM, .words = level_words, .value = "LEVEL",
     .heading = "What is traced",
     .help = "Sets three switches at once: minimal is functions, standard adds variables, full adds control "
             "flow. "
             "Switches given beside it refine it. Without a level the switches have their defaults, which "
             "are those of "
             "standard."},
    {FIELD(trace_functions), .name = "functions", .type = OPTION_BOOL, .fallback = true,
     .help = "Calls of functions with their arguments, return values and durations."},
    {FIELD(trace_variables), .name = "variables", .type = OPTION_BOOL, .fallback = true,
     .help = "Changes of local variables and parameters."},
    {FIELD(trace_control_flow), .name = "control-flow", .type = OPTION_BOOL, .fallback = false,
     .help = "Branches: which way if, loops and switch went."},
    {FIELD(trace_exceptions), .name = "exceptions", .type = OPTION_BOOL, .fallback = true,
     .help = "C++ throw and catch, longjmp, abort, signals, panics."},
    {FIELD(trace_syscalls), .name = "syscalls", .type = OPTION_BOOL, .fallback = false,
     .help = "System calls."},

    {FIELD(include_patterns), .name = "function", .type = OPTION_LIST, .check = CHECK_FUNCTION_PATTERN,
     .value = "PATTERN", .heading = "Which functions",
     .help = "Only functions that match PATTERN, a glob such as 'parse_*' or a /regex/. May be repeated; "
             "several can "
             "be joined with commas."},
    {FIELD(exclude_patterns), .name = "exclude", .type = OPTION_LIST, .check = CHECK_FUNCTION_PATTERN,
     .many = true, .value = "PATTERN...",
     .help = "No functions that match. Takes all arguments up to the next option: write -- before PROGRAM."},
    {FIELD(include_modules), .name = "module", .type = OPTION_LIST, .check = CHECK_PATH_PATTERN,
     .value = "GLOB",
     .help = "Only functions of programs and libraries with this name, such as 'libz.so*'. By default that "
             "of the "
             "program itself; '*' is all. Repeatable, commas."},
    {FIELD(exclude_modules), .name = "exclude-module", .type = OPTION_LIST, .check = CHECK_PATH_PATTERN,
     .value = "GLOB", .help = "No functions of programs and libraries with this name. Repeatable, commas."},
    {FIELD(file_patterns), .name = "file", .type = OPTION_LIST, .check = CHECK_PATH_PATTERN, .value = "GLOB",
     .help = "Only functions that are defined in source files such as 'src/*.c'. Repeatable, commas."},

    {FIELD(conditions), .name = "when", .type = OPTION_LIST, .check = CHECK_CONDITION,
     .value = "'FUNCTION: EXPR'", .heading = "When and where",
     .help = "Only calls of FUNCTION (a pattern) at whose entry the C expression EXPR is true, with all that "
             "they call. "
             "Repeatable: any of the conditions for a function is enough."},
    {FIELD(probes), .name = "at", .type = OPTION_LIST, .check = CHECK_PROBE,
     .value = "'FILE:LINE: EXPR, EXPR...'",
     .help = "Each time this line is reached, the values of these C expressions. Repeatable."},
    {FIELD(sample), .name = "sample", .type = OPTION_NUMBER, .fallback = 1, .least = 1, .most = UINT32_MAX,
     .value = "N", .help = "Only every Nth call of a function, with all that it calls."},
    {FIELD(max_call_depth), .name = "max-depth", .type = OPTION_NUMBER, .fallback = 0, .least = 0,
     .most = 65535, .value = "N",
     .help = "No calls deeper than N below the outermost traced one; 0 is no limit."},

    {FIELD(max_string_length), .name = "max-string", .type = OPTION_NUMBER, .fallback = 200, .least = 0,
     .most = 1 << 20, .value = "N", .heading = "How much of a value",
     .help = "Bytes of a string that are shown."},
    {FIELD(max_elements), .name = "max-elements", .type = OPTION_NUMBER, .fallback = 32, .least = 0,
     .most = 65535, .value = "N", .help = "Elements of an array or a container that are shown."},
    {FIELD(max_value_depth), .name = "max-value-depth", .type = OPTION_NUMBER, .fallback = 8, .least = 1,
     .most = 32, .value = "N", .help = "Levels of values inside of values that are shown."},

    {FIELD(probe_kind), .name = "probes", .type = OPTION_ENUM, .fallback = PROBES_AUTO, .words = probe_words,
     .value = "KIND", .heading = "How it is traced",
     .help = "jump patches the code with jumps, which cost some nanoseconds, and leaves out what cannot be "
             "traced so; "
             "trap stops the program at each probe, which costs some thousand times as much; auto takes "
             "jumps where it "
             "can and traps for the rest."},
    {FIELD(lossless), .name = "lossless", .type = OPTION_BOOL, .fallback = false,
     .help = "The program waits when reel cannot keep up with its jump probes, and the backlog is full. Else "
             "what "
             "there is no room for is dropped, and counted in the trace."},
    {FIELD(backlog), .name = "backlog", .type = OPTION_SIZE, .fallback = 256 << 20, .least = 1 << 20,
     .most = UINT64_C(64) << 30, .value = "SIZE",
     .help = "Memory for what jump probes have noted and reel has not written yet: a program that calls "
             "much for a while is not slowed down, and nothing is lost."},
    {FIELD(timestamps), .name = "timestamps", .type = OPTION_ENUM, .fallback = TIMESTAMPS_FULL,
     .words = timestamp_words, .value = "KIND",
     .help = "Of jump probes: full reads the clock at each, which costs more than all the rest; coarse is "
             "right to "
             "about a millisecond; none has the time at which reel saw the event. Events of one thread are "
             "in order in "
             "any case; those of several by their timestamps."},

    {FIELD(list_probes), .name = "list-probes", .type = OPTION_BOOL, .fallback = false,
     .help = "Trace nothing, but say for each function that would be traced what kinds of probes it gets, "
             "and why one "
             "could not be a jump. A program that was to be launched is not run."},

    {FIELD(output), .name = "output", .letter = 'o', .type = OPTION_STRING, .value = "FILE",
     .heading = "The trace", .help = "Where the trace goes: by default trace.json, or trace.jsonl."},
    {FIELD(format), .name = "format", .type = OPTION_ENUM, .fallback = FORMAT_JSON, .words = format_words,
     .value = "FORMAT", .help = "json is one JSON document; jsonl is one JSON object a line."},
    {FIELD(max_trace_size_mb), .name = "max-size", .type = OPTION_NUMBER, .fallback = 0, .least = 0,
     .most = 1 << 20, .value = "MB",
     .help = "The trace ends, with a note in it, when it has this many MiB; 0 is no limit."},
    {FIELD(buffer_size), .name = "buffer-size", .type = OPTION_SIZE, .fallback = 1 << 20, .least = 4096,
     .most = 1 << 30, .value = "SIZE",
     .help = "Bytes that are gathered before they are written: a number, with K, M or G if you like."},
    {FIELD(async_write), .name = "async-write", .type = OPTION_BOOL, .fallback = true,
     .help = "Write on a thread of its own."},

    {FIELD(debug_dir), .name = "debug-dir", .type = OPTION_STRING, .value = "DIR",
     .heading = "Debug information",
     .help = "Look for separate debug information below DIR, before /usr/lib/debug."},
    {FIELD(debuginfod), .name = "debuginfod", .type = OPTION_BOOL, .fallback = true,
     .help = "Ask the servers of DEBUGINFOD_URLS for debug information that is not here."},
};
const size_t option_count = sizeof(option_rows) / sizeof(option_rows[0]);
