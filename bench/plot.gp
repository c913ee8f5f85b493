# SPDX-License-Identifier: Apache-2.0
#
# gnuplot: bars of what table.awk wrote. Variables: ratios, memory (files), out (folder).
set terminal svg size 960,420 font "sans-serif,12" background "white"
set style data histograms
set style fill solid 0.9 noborder
set boxwidth 0.9
set grid ytics lc rgb "#dddddd"
set border 3
set xtics nomirror
set ytics nomirror

set output out."/ratios.svg"
set title "CPU time per operation (p99: latency), nginx = 1; less is better"
set style histogram clustered gap 1.2
set yrange [0:1.6]
set key top right horizontal
plot ratios using 2:xtic(1) title "nginx" lc rgb "#9aa0a6", \
     '' using 3 title "HAProxy" lc rgb "#8ab4f8", \
     '' using 4 title "nghttpx" lc rgb "#c58af9", \
     '' using 5 title "Sallyport" lc rgb "#137333", \
     '' using 6 title "Sallyport with access log" lc rgb "#81c995"

if (system("test -s ".memory." && echo yes") eq "yes") {
    set output out."/memory.svg"
    set title "Resident memory per idle mutual-TLS connection, bytes; less is better"
    set yrange [0:*]
    unset key
    plot memory using 2:xtic(1) lc rgb "#137333"
}
