/* The library of plugins.c. */
int plugin_begun;
int plugin_work(int number);

__attribute__((constructor)) static void plugin_begin(void) {
    plugin_begun = 1;
}

int plugin_work(int number) {
    return plugin_begun ? number + 1 : -1000;
}
