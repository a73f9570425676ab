// SPDX-License-Identifier: BSD-3-Clause
// A Kafka broker for where there is no real one: librdkafka's own for tests. It prints its address,
// and obeys the lines "down" and "up", each of which it repeats when that is done, until standard
// input ends.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <string.h>

int main(void) {
	char line[80];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), line, sizeof(line));
	rd_kafka_mock_cluster_t *cluster = rk != NULL ? rd_kafka_mock_cluster_new(rk, 1) : NULL;
	if (cluster == NULL)
		return 1;
	printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strcmp(line, "up\n") == 0)
			rd_kafka_mock_broker_set_up(cluster, 1);
		else
			rd_kafka_mock_broker_set_down(cluster, 1);
		fputs(line, stdout);
		fflush(stdout);
	}
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
	return 0;
}
