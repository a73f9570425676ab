#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# fetch-kafka.sh FOLDER: Apache Kafka's server and tools, some 45 MB of jars, by Maven into FOLDER; once. It needs
# java (17 or newer) and mvn, and leaves what Maven itself fetched in its local repository. Status 1: it could not.
set -eu
folder=$1
version=4.1.2
done=$folder/complete-$version

[ ! -e "$done" ] || exit 0
command -v java >/dev/null && command -v mvn >/dev/null || {
	echo "no java, or no mvn" >&2
	exit 1
}
mkdir -p "$folder"
rm -f "$folder"/*.jar
# connect-runtime is a web server with all that takes.
dependency() {
	cat <<XML
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>$1</artifactId>
      <version>$version</version>
      <exclusions>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion>
      </exclusions>
    </dependency>
XML
}
{
	cat <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hellotap.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
XML
	dependency kafka_2.13
	dependency kafka-tools
	echo "  </dependencies>"
	echo "</project>"
} >"$folder/pom.xml"
mvn -B -q -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$(cd "$folder" && pwd)" >&2 || exit 1
touch "$done"
