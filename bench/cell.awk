# SPDX-License-Identifier: Apache-2.0
#
# One line of results to a line of fields, tabs between:
#   run row gateway round value unit p50_us p99_us per_second failed note
# The value is what the row is about: CPU time of the gateway per operation or byte, bytes of
# memory per connection. In latency it is the 99th percentile.

# The number or text behind "key": after position `from`.
function get(from, key,    at, rest) {
    rest = substr($0, from)
    at = index(rest, "\"" key "\":")
    if (at == 0)
        return ""
    rest = substr(rest, at + length(key) + 3)
    sub(/^"/, "", rest)
    match(rest, /^[^",}]*/)
    return substr(rest, 1, RLENGTH)
}

{
    row = get(1, "row")
    requests = get(1, "requests")
    cpu = get(1, "cpu_us")
    note = ""
    unit = "us"
    value = requests > 0 ? cpu / requests : 0
    if (row == "download" || row == "upload") {
        bytes = get(1, row == "download" ? "bytes_in" : "bytes_out")
        value = bytes > 0 ? cpu * 1000 / bytes : 0
        unit = "ns/byte"
    } else if (row == "idle") {
        open = get(1, "connections_open")
        value = open > 0 ? (get(1, "rss_bytes_at_end") - get(1, "rss_bytes_at_start")) / open : 0
        unit = "bytes"
    }
    latency = index($0, "\"latency_us\"")
    p99 = get(latency, "p99")
    if (row == "latency") {
        note = sprintf("cpu=%.1f", value)
        value = p99
        unit = "us p99"
    }
    full = get(1, "full")
    resumed = get(1, "resumed")
    if (row == "resumed" && resumed < full)
        note = "not resumed"
    printf "%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t%s\t%s\t%s\t%s\n", get(1, "run"), row, \
        get(1, "gateway"), get(1, "round"), value, unit, get(latency, "p50"), p99, \
        get(1, "requests_per_second"), get(1, "failed"), note
}
