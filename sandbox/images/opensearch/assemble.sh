#!/bin/sh
# Puts an OpenSearch home together: assemble.sh <artifacts> <recipe> <home>
# The published zip has one module; the others that upstream ships are added as jars with
# the descriptor each of them needs.
set -eu
artifacts=$1 recipe=$2 home=$3 version=2.19.1

unzip -q "$artifacts/opensearch-$version.zip" -d /tmp/distribution
mv "/tmp/distribution/opensearch-$version" "$home"
rm -f "$home"/bin/*.bat "$home"/bin/*.exe

plugin() { # <artifact> <folder>
  mkdir "$home/plugins/$2"
  unzip -q "$artifacts/$1-$version.0.zip" -d "$home/plugins/$2"
}
plugin opensearch-job-scheduler opensearch-job-scheduler
plugin opensearch-knn opensearch-knn
plugin neural-search opensearch-neural-search
plugin opensearch-security opensearch-security

describe() { # <modules or plugins> <name> <class> <what it extends, or nothing> <jar>...
  place=$1 name=$2 class=$3 extends=$4
  shift 4
  mkdir "$home/$place/$name"
  for jar in "$@"; do cp "$jar" "$home/$place/$name/"; done
  cat >"$home/$place/$name/plugin-descriptor.properties" <<END
description=$name
version=$version
name=$name
classname=$class
java.version=11
opensearch.version=$version
extended.plugins=$extends
has.native.controller=false
END
}
module() { describe modules "$@"; }
security=$home/plugins/opensearch-security

module lang-painless org.opensearch.painless.PainlessPlugin '' \
  "$artifacts/lang-painless-$version.jar" "$artifacts/opensearch-scripting-painless-spi-$version.jar" \
  "$artifacts"/antlr4-runtime-*.jar "$artifacts"/asm-*.jar
cat >"$home/modules/lang-painless/plugin-security.policy" <<'END'
grant {
  permission java.lang.RuntimePermission "createClassLoader";
  permission java.lang.RuntimePermission "getClassLoader";
};
END

module analysis-common org.opensearch.analysis.common.CommonAnalysisPlugin lang-painless \
  "$artifacts/analysis-common-$version.jar"

module mapper-extras org.opensearch.index.mapper.MapperExtrasPlugin '' \
  "$artifacts/mapper-extras-client-$version.jar"

# The security plugin carries the HTTP client that reindex needs.
module reindex org.opensearch.index.reindex.ReindexPlugin '' \
  "$artifacts/reindex-client-$version.jar" "$artifacts/opensearch-rest-client-$version.jar" \
  "$artifacts/opensearch-ssl-config-$version.jar" \
  "$security"/httpclient-4*.jar "$security"/httpcore-4*.jar "$security"/httpcore-nio-*.jar \
  "$security"/httpasyncclient-*.jar "$security"/commons-logging-*.jar "$security"/commons-codec-*.jar
cat >"$home/modules/reindex/plugin-security.policy" <<'END'
grant {
  permission java.net.SocketPermission "*", "connect";
};
END

# Upstream ships some twenty plugins more, which the service's image has to be without. Two stand for them, under
# upstream's names, one with a directory of configuration. Maven has neither, so their code is that of small modules
# which come with the security plugin.
describe plugins query-insights org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin '' \
  "$security"/aggs-matrix-stats-client-*.jar
describe plugins opensearch-observability org.opensearch.script.mustache.MustachePlugin '' \
  "$security"/lang-mustache-client-*.jar "$security"/compiler-*.jar
mkdir "$home/config/opensearch-observability"
echo '---' >"$home/config/opensearch-observability/observability.yml"

# The security plugin's own start-up configuration is in config/, as upstream's image has it.
cp -r "$security/config" "$home/config/opensearch-security"
chmod +x "$security"/tools/*.sh
cp "$recipe/opensearch.yml" "$home/config/opensearch.yml"
install -m 755 "$recipe/opensearch-docker-entrypoint.sh" "$home/opensearch-docker-entrypoint.sh"
ln -s "/usr/lib/jvm/java-21-openjdk-$(dpkg --print-architecture)" "$home/jdk"
mkdir -p "$home/data" "$home/logs"
chmod 0700 "$home/config" "$home/data" "$home/logs"
