# Reads the files candidates (id, title, kind), figures (id, part, what, unit, reference, goal, ahead) and results
# (figure, candidate, round, value), and prints them as a table of lines, or with -v style=markdown as one table a part.
FILENAME == ARGV[1] { candidate[++candidates] = $1; title[$1] = $2; kind[$1] = $3; next }
FILENAME == ARGV[2] {
    figure[++figures] = $1; part[$1] = $2; what[$1] = $3; unit[$1] = $4
    reference[$1] = $5 == "-" ? "" : $5; goal[$1] = $6 == "-" ? "" : $6; ahead[$1] = $7
    next
}
{
    value[$1, $2, $3] = $4
    if (!($1 in rounds) || rounds[$1] < $3) rounds[$1] = $3
    measured[$2 in title ? $2 : "", part[$1]] = 1
}

# The median of these numbers, in an array from 1.
function middle(numbers, n,    i, j, number) {
    for (i = 2; i <= n; i++) {
        number = numbers[i]
        for (j = i - 1; j >= 1 && numbers[j] > number; j--) numbers[j + 1] = numbers[j]
        numbers[j + 1] = number
    }
    return n % 2 ? numbers[(n + 1) / 2] : (numbers[n / 2] + numbers[n / 2 + 1]) / 2
}

# The median over the rounds; of what it is times another's figure of the same round, if there is another.
function median(id, name, other,    round, n, numbers) {
    n = 0
    for (round = 1; round <= rounds[id]; round++) {
        if (!((id, name, round) in value)) continue
        if (other == "") numbers[++n] = value[id, name, round]
        else if ((id, other, round) in value && value[id, other, round] > 0)
            numbers[++n] = value[id, name, round] / value[id, other, round]
    }
    return n ? middle(numbers, n) : ""
}

function shown(number, unit,    digits, text) {
    if (number == "") return ""
    digits = unit == "%" || unit == "s" ? 2 : unit == "ms" || unit == "MB" ? 1 : 0
    text = sprintf("%." digits "f", number)
    while (match(text, /^-?[0-9][0-9][0-9][0-9]+/))
        text = substr(text, 1, RLENGTH - 3) "," substr(text, RLENGTH - 2)
    return text
}

function ratio(id, name) {
    return reference[id] == "" || name == reference[id] ? "" : median(id, name, reference[id])
}

# Whether tidemark reaches the goal: yes, no, or nothing if there is none.
function met(id,    words, number) {
    if (goal[id] == "") return ""
    number = reference[id] == "" ? median(id, "tidemark", "") : ratio(id, "tidemark")
    if (number == "") return ""
    split(goal[id], words, " ")
    if (words[1] == "<") return number < words[2] ? "yes" : "no"
    if (words[1] == "=") return number == words[2] ? "yes" : "no"
    return number >= words[2] ? "yes" : "no"
}

# Whether tidemark is better than this one, where it has to be.
function behind(id, name,    own) {
    own = median(id, "tidemark", name)
    if (ahead[id] == "" || kind[name] != "trigger" || own == "") return ""
    return (goal[id] ~ /^</ ? own < 1 : own > 1) ? "yes" : "no"
}

# Whether tidemark is better than all of them that were measured.
function leads(id,    j) {
    for (j = 1; j <= candidates; j++) if (behind(id, candidate[j]) == "no") return 0
    return 1
}

function print_lines(    i, j, id, name, number, times, wanted, reached) {
    printf "%-8s %-50s %-19s %18s %6s  %-8s %s\n", "part", "figure", "of", "value", "ratio", "goal", "met"
    for (i = 1; i <= figures; i++) {
        id = figure[i]
        for (j = 1; j <= candidates; j++) {
            name = candidate[j]
            number = median(id, name, "")
            if (number == "") continue
            wanted = name == "tidemark" ? goal[id] : behind(id, name) == "" ? "" : "behind"
            reached = name == "tidemark" ? met(id) : behind(id, name)
            times = ratio(id, name)
            if (times != "") times = sprintf("%.2f", times)
            printf "%-8s %-50s %-19s %18s %6s  %-8s %s\n", part[id], what[id], title[name],
                shown(number, unit[id]) " " unit[id], times, wanted, reached
        }
    }
}

# One table a part: a line a figure, a column a candidate.
function print_tables(    i, j, id, name, number, current, columns, wanted) {
    for (i = 1; i <= figures; i++) {
        id = figure[i]
        if (part[id] != current) {
            current = part[id]
            printf "\n| %s |", current
            columns = "|---|"
            for (j = 1; j <= candidates; j++)
                if ((candidate[j], current) in measured) {
                    printf " %s |", title[candidate[j]]
                    columns = columns "---|"
                }
            printf " goal |\n%s---|\n", columns
        }
        printf "| %s, %s |", what[id], unit[id]
        for (j = 1; j <= candidates; j++) {
            name = candidate[j]
            if (!((name, current) in measured)) continue
            number = shown(median(id, name, ""), unit[id])
            if (ratio(id, name) != "") number = number sprintf(" (%.2f)", ratio(id, name))
            printf " %s |", number
        }
        wanted = goal[id] (ahead[id] == "" ? "" : ", and ahead of all triggers")
        printf " %s |\n", wanted == "" ? "" : wanted (met(id) == "no" || !leads(id) ? ": not met" : ": met")
    }
}

END { if (style == "markdown") print_tables(); else print_lines() }
