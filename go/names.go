package mooring

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	shortBytes   = 176
	hashBytes    = 2 * sha256.Size
	summaryBytes = 200
	explained    = 1024
)

var (
	unprintable = regexp.MustCompile(`[^ -~]`)
	unsafe      = regexp.MustCompile(`[^A-Za-z0-9_@%+=:,./-]`)
	backticks   = regexp.MustCompile("`+")
)

// short is what stands for a volume handle in a workflow id: itself, or for a long one its beginning and its hash (mooring/names.py).
func short(name string) string {
	if len(name) < shortBytes && !strings.Contains(name, "\x00") {
		return name
	}
	beginning := cut(unprintable.ReplaceAllString(name, "~"), shortBytes-hashBytes-1)
	hash := sha256.Sum256([]byte(name))
	return beginning + strings.Repeat("~", shortBytes-hashBytes-len(beginning)) + hex.EncodeToString(hash[:])
}

// cut is as much of the text as fits into so many bytes.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// summary is a summary as a server takes it.
func summary(text string) string {
	return cut(strings.ReplaceAll(text, "\x00", "~"), summaryBytes)
}

// explains is the command that explains a volume, as Markdown shows it.
func explains(handle string) string {
	command := "mooring explain"
	if utf8.RuneCountInString(handle) < explained {
		command += " " + argument(handle)
	}
	fence, space := "`", ""
	for _, run := range backticks.FindAllString(command, -1) {
		fence, space = strings.Repeat("`", max(len(fence), len(run)+1)), " "
	}
	return fence + space + command + space + fence
}

// argument is a name as a shell takes it, and never an option.
func argument(name string) string {
	quoted := name
	if unsafe.MatchString(name) {
		quoted = "'" + strings.ReplaceAll(name, "'", `'"'"'`) + "'"
	}
	if strings.HasPrefix(name, "-") {
		return "-- " + quoted
	}
	return quoted
}
