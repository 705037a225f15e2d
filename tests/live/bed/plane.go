// The control plane as a whole: the order in which it comes up, what has to be
// true before the next step, and the stages it hands to kwok.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

//go:embed stages-*.yaml
var stages embed.FS

//go:embed audit-policy.yaml
var auditPolicy []byte

type plane struct {
	dir      string
	children *children
}

func newPlane(dir string) *plane {
	return &plane{dir: dir, children: newChildren(dir)}
}

func (p *plane) file(name string) string { return filepath.Join(p.dir, name) }

// start brings everything up; it returns once pods can be created.
func (p *plane) start(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready within %s", startLimit))
	defer cancel()

	pki, err := writePKI(p.dir)
	if err != nil {
		return fmt.Errorf("making the certificates: %w", err)
	}
	if err := writeAccess(p.dir, pki); err != nil {
		return fmt.Errorf("writing the kubeconfigs: %w", err)
	}
	if err := p.startStore(ctx); err != nil {
		return err
	}
	client, err := p.startServer(ctx)
	if err != nil {
		return err
	}
	if err := serveKubelet(client, pki); err != nil {
		return fmt.Errorf("starting the fake kubelet: %w", err)
	}
	if err := p.startControllers(); err != nil {
		return err
	}
	return p.populate(ctx, client, nodes)
}

// watch blocks while all components run.
func (p *plane) watch(ctx context.Context) error { return p.children.wait(ctx) }

func (p *plane) kill() { p.children.kill() }

func (p *plane) startStore(ctx context.Context) error {
	if err := p.children.start("etcd", p.etcdFlags()); err != nil {
		return err
	}
	return p.until(ctx, "etcd is healthy", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, etcdURL+"/health", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
}

func (p *plane) startServer(ctx context.Context) (kubernetes.Interface, error) {
	if err := os.WriteFile(p.file("audit-policy.yaml"), auditPolicy, 0o600); err != nil {
		return nil, err
	}
	if err := p.children.start("apiserver", p.apiserverFlags()); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.file("kubeconfig"))
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 300, 600
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return client, p.until(ctx, "the API server is ready", func(ctx context.Context) error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
}

func (p *plane) startControllers() error {
	if err := os.WriteFile(p.file("scheduler.yaml"), p.schedulerConfig(), 0o600); err != nil {
		return err
	}
	if err := p.writeStages(); err != nil {
		return err
	}
	return errors.Join(
		p.children.start("controller-manager", p.controllerManagerFlags()),
		p.children.start("scheduler", p.schedulerFlags()),
		p.children.start("kwok", p.kwokFlags()),
	)
}

// writeStages puts the embedded stages into one file with many documents.
func (p *plane) writeStages() error {
	names, err := fs.Glob(stages, "*.yaml")
	if err != nil {
		return err
	}
	var all []byte
	for _, name := range names {
		text, err := stages.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(append(all, "---\n"...), text...)
	}
	return os.WriteFile(p.file("stages.yaml"), all, 0o600)
}

// until repeats a probe until it succeeds, a component dies or time is up.
func (p *plane) until(ctx context.Context, what string, probe func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := probe(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case it := <-p.children.died:
			return p.children.unexpectedEnd(it)
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w; last answer: %w", what, context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
