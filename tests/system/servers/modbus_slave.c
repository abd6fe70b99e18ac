/* A libmodbus slave for the tests: `modbus_slave tcp PORT` or `modbus_slave rtu DEVICE`, 115200 8N1, unit 1.
 * Standard input: lines of `table address value`, the table being the function code that reads it. It then writes
 * "ready", and serves one client after another until it is killed. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 1000 };

static int fill(modbus_mapping_t *map) {
  unsigned table, address, value;
  while (scanf("%u %u %u", &table, &address, &value) == 3) {
    if (address >= SIZE) return -1;
    switch (table) {
      case 1: map->tab_bits[address] = value; break;
      case 2: map->tab_input_bits[address] = value; break;
      case 3: map->tab_registers[address] = value; break;
      case 4: map->tab_input_registers[address] = value; break;
      default: return -1;
    }
  }
  return 0;
}

static void serve(modbus_t *ctx, modbus_mapping_t *map) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(ctx, query);
    if (length > 0) {
      modbus_reply(ctx, query, length, map);
    } else if (length < 0 && errno != EMBBADCRC && errno != ETIMEDOUT) {
      return;
    }
  }
}

int main(int argc, char **argv) {
  modbus_mapping_t *map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
  if (argc != 3 || map == NULL || fill(map) != 0) return 2;
  if (strcmp(argv[1], "rtu") == 0) {
    modbus_t *ctx = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
    if (ctx == NULL || modbus_set_slave(ctx, 1) != 0 || modbus_connect(ctx) != 0) return 3;
    puts("ready");
    fflush(stdout);
    serve(ctx, map);
    return 0;
  }
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
  int listening = ctx == NULL ? -1 : modbus_tcp_listen(ctx, 4);
  if (listening < 0) return 3;
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (modbus_tcp_accept(ctx, &listening) < 0) return 3;
    serve(ctx, map);
    close(modbus_get_socket(ctx));
  }
}
