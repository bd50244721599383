// Command list-volumes rebuilds attachments from PersistentVolumes as a CSI driver written with client-go does: PVs are listed into typed
// objects, those of the driver are kept, and of these the attached ones are entered in a map. It is what bench/rebuild.py measures Mooring
// against; nothing ships it.
//
// It reads KUBECONFIG and prints one line of JSON: milliseconds, bytes read from the sockets, RSS before and at its peak (bytes).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// result is the line that is printed.
type result struct {
	Volumes      int     `json:"volumes"`
	Attached     int     `json:"attached"`
	Milliseconds float64 `json:"milliseconds"`
	Received     int64   `json:"received"`
	BaseRSS      int64   `json:"base_rss"`
	PeakRSS      int64   `json:"peak_rss"`
}

// attachment is what a driver remembers of a volume that a node holds.
type attachment struct {
	volumeID, nodeID string
	attachedAt       time.Time
}

// counted counts the bytes read from one connection, TLS included.
type counted struct {
	net.Conn
	received *atomic.Int64
}

func (c counted) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	c.received.Add(int64(n))
	return n, err
}

func main() {
	driver := flag.String("driver", "", "CSI driver whose volumes are wanted")
	page := flag.Int64("page", 0, "PVs a page; 0: all at once")
	protobuf := flag.Bool("protobuf", true, "ask for protobuf, as the typed clients of client-go do unless told otherwise; false: JSON")
	compress := flag.Bool("compress", true, "let the server compress, as client-go does unless told otherwise")
	flag.Parse()
	found, err := measure(context.Background(), *driver, *page, *protobuf, *compress)
	if err != nil {
		fmt.Fprintln(os.Stderr, "list-volumes:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}

func measure(ctx context.Context, driver string, page int64, protobuf, compress bool) (result, error) {
	var received atomic.Int64
	client, err := connect(&received, protobuf, compress)
	if err != nil {
		return result{}, err
	}
	base, err := memory("VmRSS:")
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	volumes, attachments, err := rebuild(ctx, client, driver, page)
	took := time.Since(began)
	if err != nil {
		return result{}, err
	}
	peak, err := memory("VmHWM:")
	return result{volumes, len(attachments), float64(took.Microseconds()) / 1000, received.Load(), base, peak}, err
}

func connect(received *atomic.Int64, protobuf, compress bool) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the default of 5 a second would time the client's own brake
	config.DisableCompression = !compress
	if !protobuf {
		config.ContentType = runtime.ContentTypeJSON
	}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return counted{conn, received}, nil
	}
	return kubernetes.NewForConfig(rest.AddUserAgent(config, "list-volumes"))
}

// rebuild returns how many volumes the driver has, and the attached ones by volume id.
func rebuild(ctx context.Context, client *kubernetes.Clientset, driver string, page int64) (int, map[string]attachment, error) {
	volumes, attachments := 0, map[string]attachment{}
	options := metav1.ListOptions{Limit: page}
	for {
		list, err := client.CoreV1().PersistentVolumes().List(ctx, options)
		if err != nil {
			return 0, nil, err
		}
		for i := range list.Items {
			if pv := &list.Items[i]; pv.Spec.CSI != nil && pv.Spec.CSI.Driver == driver {
				volumes++
				remember(attachments, driver, pv)
			}
		}
		if list.Continue == "" {
			return volumes, attachments, nil
		}
		options.Continue = list.Continue
	}
}

func remember(attachments map[string]attachment, driver string, pv *corev1.PersistentVolume) {
	node := pv.Annotations[driver+"/attached-node"]
	if node == "" {
		return
	}
	since, err := time.Parse(time.RFC3339, pv.Annotations[driver+"/attached-at"])
	if err != nil {
		since = time.Now()
	}
	attachments[pv.Spec.CSI.VolumeHandle] = attachment{pv.Spec.CSI.VolumeHandle, node, since}
}

// memory is a line of /proc/self/status, in bytes.
func memory(name string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for _, line := range bytes.Split(status, []byte("\n")) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == name {
			kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return kilobytes * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", name)
}
