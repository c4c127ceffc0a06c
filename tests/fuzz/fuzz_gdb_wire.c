/* fuzz_gdb_wire: any bytes at all from a debugger: framing, escapes, checksums, and the numbers in packets.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that mutates real packets for a while, the same ones every time: fuzz_gdb_wire SEED ROUNDS [FILE...] */
#include "replay/gdb_text.h"
#include "replay/gdb_wire.h"
#include "tests/fuzz/smoke.h"

/* Parse it as numbers, threads and bytes, in turn: nothing beyond its end is looked at. */
static void read_text(const char *data, size_t size) {
    struct gdb_text text = gdb_text_of(data, size);
    uint8_t bytes[16];
    uint64_t number;
    int32_t tid;
    while (gdb_text_left(&text)) {
        size_t before = gdb_text_left(&text);
        gdb_text_number(&text, &number);
        gdb_text_thread(&text, &tid);
        gdb_text_bytes(&text, bytes, before % sizeof(bytes));
        gdb_text_accept(&text, ',');
        require(gdb_text_left(&text) <= before, "a cursor went back");
        if (gdb_text_left(&text) == before)
            gdb_text_take(&text);
    }
    require(gdb_text_take(&text) == '\0', "something behind the end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gdb_wire wire;
    gdb_wire_init(&wire, -1, -1);
    for (size_t i = 0; i < size; i++) {
        enum gdb_input input = gdb_wire_byte(&wire, data[i]);
        if (input == GDB_NONSENSE)
            break;
        require(wire.packet.size <= GDB_PACKET_MOST, "a packet is too long");
        if (input != GDB_PACKET)
            continue;
        require(wire.packet.data[wire.packet.size] == 0, "no NUL behind a packet");
        read_text((const char *)wire.packet.data, wire.packet.size);
    }
    gdb_wire_deinit(&wire);
    return 0;
}

#ifdef FUZZ_SMOKE

#define MOST 4096

static const char *const examples[] = {
    "+$qSupported:multiprocess+;swbreak+;xmlRegisters=i386#6a",
    "$m7fffffffe000,40#54$g#67-",
    "$vCont;s:1a2b;c#00\003$Hg-1#00",
    "$X400000,4:}\003}\004ab#00$vFile:open:2f6574632f686f737473,0,0#00",
    "$Z2,7ffff7dd1000,8#00$qXfer:features:read:target.xml:0,1000#00",
};

static void run_mutations(const uint8_t *seed, size_t size, unsigned long rounds) {
    for (unsigned long i = 0; i < rounds; i++) {
        uint8_t *copy = smoke_copy(seed, size);
        for (unsigned k = 0; size && k <= next_random() % 4; k++)
            copy[next_random() % size] =
                (uint8_t)(next_random() & 1 ? "$#}+-\003,;:0f*"[next_random() % 12] : (char)next_random());
        LLVMFuzzerTestOneInput(copy, size ? next_random() % size + 1 : 0);
        free(copy);
    }
}

int main(int argc, char **argv) {
    const size_t count = sizeof(examples) / sizeof(examples[0]);
    int failed = 0;
    unsigned long rounds;
    if (!smoke_begin(argc, argv, 0, &rounds))
        return 2;
    for (size_t i = 0; i < count; i++)
        run_mutations((const uint8_t *)examples[i], strlen(examples[i]), rounds / count);
    for (int i = 3; i < argc; i++)
        failed |= smoke_file(argv[i], MOST, rounds, run_mutations);
    return failed;
}

#endif
