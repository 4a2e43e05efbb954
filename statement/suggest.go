package statement

// nearest gives the candidate that a misspelled word was likely meant to be, or
// "": within one edit for every three letters of the word, and the first such.
func nearest(word string, candidates []string) string {
	best, found := len(word)/3+1, ""
	for _, c := range candidates {
		if d := editDistance(word, c); d < best || d == best && found == "" {
			best, found = d, c
		}
	}
	return found
}

// editDistance counts insertions, deletions and replacements of bytes. Words of
// the language are short: longer ones are as far away as their length.
func editDistance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
