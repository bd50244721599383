// Command translate-volumes translates PersistentVolumes with an in-tree source as external-attacher does. It is what a test measures
// mooring/kubernetes/in_tree.py against; nothing ships it.
//
// It reads a JSON list of questions and prints a JSON list of answers, one each.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	translation "k8s.io/csi-translation-lib"
	"k8s.io/klog/v2"
)

// question is a PV, and the id of a node that it may be attached to.
type question struct {
	PV   corev1.PersistentVolume `json:"pv"`
	Node string                  `json:"node"`
}

// answer is what external-attacher makes of it: driver, handle and readonly flag, and the handle that the driver lists; else an error.
type answer struct {
	Driver   string `json:"driver"`
	Handle   string `json:"handle"`
	ReadOnly bool   `json:"readOnly"`
	Repaired string `json:"repaired"`
	Error    string `json:"error"`
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		fmt.Fprintln(os.Stderr, "translate-volumes:", err)
		os.Exit(1)
	}
	answers := []answer{}
	for i := range questions {
		answers = append(answers, translate(&questions[i]))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		os.Exit(1)
	}
}

func translate(asked *question) answer {
	translator := translation.New()
	pv, err := translator.TranslateInTreePVToCSI(klog.Background(), &asked.PV)
	if err != nil {
		return answer{Error: err.Error()}
	}
	source := pv.Spec.CSI
	repaired, err := translator.RepairVolumeHandle(source.Driver, source.VolumeHandle, asked.Node)
	if err != nil {
		repaired = source.VolumeHandle
	}
	return answer{Driver: source.Driver, Handle: source.VolumeHandle, ReadOnly: source.ReadOnly, Repaired: repaired}
}
