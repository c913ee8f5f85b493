# SPDX-License-Identifier: Apache-2.0
#
# Lines of cell.awk to a Markdown table: for each row and gateway the median of the rounds of the
# newest run, its range, and the median as a ratio to that of nginx. Also writes what plot.gp
# draws into the files `ratios` and `memory`.
BEGIN {
    FS = "\t"
    row_count = split("handshake clients cold crl resumed h1 h2 download upload latency latency-cpu " \
        "idle", rows, " ")
    gateway_count = split("nginx haproxy nghttpx sallyport sallyport+log bare", gateways, " ")
    title["handshake"] = "full handshake + one GET, one client, us"
    title["clients"] = "the same, many clients in turn, us"
    title["cold"] = "the same, each client new to the verdict cache, us"
    title["crl"] = "the same, 1,000,000-entry list, us"
    title["resumed"] = "resumed handshake + one GET, us"
    title["h1"] = "HTTP/1.1 request, 64 connections, 1 KB, us"
    title["h2"] = "HTTP/2 request, 10 x 32 streams, 1 KB, us"
    title["download"] = "download, ns per byte"
    title["upload"] = "upload, ns per byte"
    title["latency"] = "99th percentile at 2,000 requests/s, us"
    title["latency-cpu"] = "HTTP/1.1 request at 2,000 requests/s, us"
    title["idle"] = "resident bytes per idle connection"
    short["handshake"] = "handshake"
    short["clients"] = "many clients"
    short["cold"] = "new clients"
    short["crl"] = "10^6 revoked"
    short["resumed"] = "resumed"
    short["h1"] = "HTTP/1.1"
    short["h2"] = "HTTP/2"
    short["download"] = "download"
    short["upload"] = "upload"
    short["latency"] = "p99"
    short["latency-cpu"] = "2,000/s"
}

function add(run, row, gateway, value) {
    if (newest[row] != run) {
        newest[row] = run
        for (g in count)
            if (index(g, row SUBSEP) == 1)
                delete count[g]
    }
    values[row, gateway, ++count[row, gateway]] = value
}

{
    add($1, $2, $3, $5 + 0)
    failed += $10
    if ($2 == "latency" && $11 ~ /^cpu=/)
        add($1, "latency-cpu", $3, substr($11, 5) + 0)
    if ($2 == "resumed" && $11 != "")
        remark["resumed", $3] = " *full*"
}

function sort_values(row, gateway, n,    i, j, v) {
    for (i = 2; i <= n; i++) {
        v = values[row, gateway, i]
        for (j = i - 1; j >= 1 && values[row, gateway, j] > v; j--)
            values[row, gateway, j + 1] = values[row, gateway, j]
        values[row, gateway, j + 1] = v
    }
}

function number(v) {
    if (v < 10)
        return sprintf("%.2f", v)
    return sprintf(v < 1000 ? "%.1f" : "%.0f", v)
}

# Sets median[row, gateway].
function cell(row, gateway,    n, low, high, text) {
    n = count[row, gateway]
    if (n == 0)
        return " |"
    sort_values(row, gateway, n)
    median[row, gateway] = n % 2 ? values[row, gateway, (n + 1) / 2] : \
        (values[row, gateway, n / 2] + values[row, gateway, n / 2 + 1]) / 2
    low = number(values[row, gateway, 1])
    high = number(values[row, gateway, n])
    text = " "
    if (median[row, "nginx"] > 0) {
        ratio[row, gateway] = median[row, gateway] / median[row, "nginx"]
        text = sprintf(" **%.2f**", ratio[row, gateway])
    }
    text = text " " number(median[row, gateway])
    return text (low != high ? " (" low "-" high ")" : "") remark[row, gateway] " |"
}

END {
    head = "| per operation, ratio to nginx, median (range) |"
    rule = "|---|"
    for (g = 1; g <= gateway_count; g++) {
        head = head " " gateways[g] " |"
        rule = rule "---|"
    }
    print head
    print rule
    for (r = 1; r <= row_count; r++) {
        line = "| " title[rows[r]] " |"
        has = 0
        for (g = 1; g <= gateway_count; g++) {
            has += count[rows[r], gateways[g]]
            line = line cell(rows[r], gateways[g])
        }
        if (!has)
            continue
        print line
        plot = ""
        for (g = 1; g <= gateway_count; g++)
            plot = plot " " ((rows[r], gateways[g]) in ratio ? ratio[rows[r], gateways[g]] : "nan")
        if (rows[r] != "idle")
            printf "\"%s\"%s\n", short[rows[r]], plot > ratios
        for (g = 1; rows[r] == "idle" && g <= gateway_count; g++)
            if ((rows[r], gateways[g]) in median)
                printf "\"%s\" %.0f\n", gateways[g], median[rows[r], gateways[g]] > memory
    }
    printf "\nRequests that failed in all these cells: %d.\n", failed
}
