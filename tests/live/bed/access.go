// Who may talk to the API server: two administrators, one of them audited, and a user without any right.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const serverURL = "https://127.0.0.1:6443"

// account is one line of the API server's token file and one kubeconfig.
type account struct {
	user, groups, file string
}

var accounts = []account{
	{user: "admin", groups: "system:masters", file: "kubeconfig"},
	// For tests of what happens when the API server forbids something; a test
	// binds to it what it shall be allowed.
	{user: "operator", groups: "", file: "kubeconfig-operator"},
	// Another administrator, and the only user whose writes are audited: what stands in the audit
	// log was done by whoever a test gave this kubeconfig.
	{user: "applier", groups: "system:masters", file: "kubeconfig-applier"},
}

// writeAccess writes DIR/tokens.csv and a kubeconfig for each account.
func writeAccess(dir string, pki *pki) error {
	var tokens strings.Builder
	for _, account := range accounts {
		token := rand.Text()
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", token, account.user, account.user, account.groups)
		if err := writeKubeconfig(filepath.Join(dir, account.file), account.user, token, pki); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(tokens.String()), 0o600)
}

func writeKubeconfig(path, user, token string, pki *pki) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["bed"] = &clientcmdapi.Cluster{Server: serverURL, CertificateAuthorityData: pki.authorityPEM}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["bed"] = &clientcmdapi.Context{Cluster: "bed", AuthInfo: user}
	config.CurrentContext = "bed"
	return clientcmd.WriteToFile(*config, path)
}
